"""`hookfetch watch`, `track` and `fetch`: they ask a running service."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import click

from hookfetch.cli.shared import FAILED, json_option, open_client, progress, run, server_option
from hookfetch.cli.supplied import fetch_file, names_of, supplied_option, track_file

_AT_ONCE = 64  # elements; a gateway bounds what one caller asks for at once


@click.command()
@server_option
@json_option
@click.option("--project", "projects", multiple=True, help="Only this project (may be repeated).")
@click.option("--element", "elements", multiple=True, metavar="GLOB", help="Only these, as `core/**.bst`.")
@click.option("--cursor", help="Resume after this cursor, as an earlier update gave it.")
@click.option("--from-start", is_flag=True, help="From the oldest kept update instead of from now.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many updates.")
def watch(
    server: str,
    as_json: bool,
    projects: tuple[str, ...],
    elements: tuple[str, ...],
    cursor: str | None,
    from_start: bool,
    count: int | None,
) -> None:
    """Print ref updates and alarms as they are announced."""
    from hookfetch.client.terminal import entry_line

    async def follow() -> None:
        left = count
        async with open_client(server) as client:
            start: Literal["now", "oldest"] = "oldest" if from_start else "now"
            async for entry in client.watch(projects=projects, elements=elements, cursor=cursor, start=start):
                click.echo(entry_line(entry, as_json=as_json))
                left = None if left is None else left - 1
                if left == 0:
                    return

    run(follow())


@click.command()
@click.argument("elements", nargs=-1, metavar="ELEMENT...")
@supplied_option
@click.option("--project", required=True)
@server_option
@json_option
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds, for each element.")
def track(
    elements: tuple[str, ...],
    files: tuple[str, ...],
    project: str,
    server: str,
    as_json: bool,
    timeout: float,
) -> None:
    """Track elements now and print what moved; their new sources are then fetched and cached. Into a supplied
    file the new refs are written, and nothing is fetched."""
    from hookfetch.client.terminal import tracked_line

    async def one(client: Any, name: str) -> str:
        if name in files:
            found = await track_file(client, project, name, timeout)
        else:
            found = await client.track(project, name, timeout=timeout)
        return tracked_line(name, found, as_json=as_json)

    run(_each("Tracking", server, names_of(elements, files), one, as_json=as_json))


@click.command()
@click.argument("elements", nargs=-1, metavar="ELEMENT...")
@supplied_option
@click.option("--project", required=True)
@server_option
@json_option
@click.option("--timeout", type=float, default=1800.0, show_default=True, help="Seconds, for each element.")
def fetch(
    elements: tuple[str, ...],
    files: tuple[str, ...],
    project: str,
    server: str,
    as_json: bool,
    timeout: float,
) -> None:
    """Have the newest announced sources of elements, and those of supplied files, in the source cache. What
    takes over a second says on stderr how it stands."""
    from hookfetch.cli.standing import Standing
    from hookfetch.client.terminal import fetched_line

    async def one(client: Any, name: str) -> str:
        if name in files:
            got = await fetch_file(client, project, name, timeout)
        else:
            with Standing(name, as_json=as_json) as standing:
                got = await client.fetch(project, name, timeout=timeout, on_progress=standing.tell)
        return fetched_line(name, got, as_json=as_json)

    run(_each("Fetching", server, names_of(elements, files), one, as_json=as_json))


async def _each(
    doing: str,
    server: str,
    elements: tuple[str, ...],
    one: Callable[[Any, str], Awaitable[str]],
    *,
    as_json: bool,
) -> None:
    """Print a line for each element as it is ready; one that fails holds up no other."""
    from hookfetch.client.errors import ClientError, Unavailable
    from hookfetch.client.terminal import failed_line

    failed = False
    turns = asyncio.Semaphore(_AT_ONCE)

    async def attempt(client: Any, element: str) -> None:
        nonlocal failed
        try:
            async with turns:
                line = await one(client, element)
        except Unavailable:
            raise
        except ClientError as error:
            failed = True
            line = failed_line(element, str(error), as_json=as_json)
        click.echo(line)

    async with open_client(server) as client:
        with progress(f"{doing} {len(elements)} element{'s' if len(elements) > 1 else ''}"):
            await asyncio.gather(*(attempt(client, element) for element in elements))
    if failed:
        sys.exit(FAILED)


COMMANDS = (watch, track, fetch)
