"""`hookfetch feeds`: where releases are told of, by what that was derived, and how asking goes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import click

from hookfetch.cli.operating import warn
from hookfetch.cli.shared import FAILED, fail, json_option, open_client, run, server_option

_LOOK_EVERY = 0.5  # seconds between two questions whether feeds have answered


@click.group()
def feeds() -> None:
    """Where upstreams tell of the releases of archives: list what was derived, or have it asked now."""


@feeds.command(name="list")
@server_option
@json_option
@click.option("--project", "projects", multiple=True, help="Only this project (may be repeated).")
@click.argument("elements", nargs=-1, metavar="[ELEMENT|GLOB]...")
def feeds_list(server: str, as_json: bool, projects: tuple[str, ...], elements: tuple[str, ...]) -> None:
    """Print the feed of each element with archives, how sure it is, and how asking for it goes."""
    from hookfetch.client.feeds import feed_line

    async def show() -> None:
        async with open_client(server) as client:
            async for feed in _all(client.feeds, projects, elements):
                click.echo(json.dumps(asdict(feed)) if as_json else feed_line(feed))

    run(show())


@feeds.command(name="check")
@server_option
@json_option
@click.option("--project", required=True)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=120.0,
    show_default=True,
    help="Wait so many seconds.",
)
@click.argument("elements", nargs=-1, metavar="[ELEMENT|GLOB]...")
def feeds_check(server: str, as_json: bool, project: str, timeout: float, elements: tuple[str, ...]) -> None:
    """Ask feeds now, and print how each answered; without elements all of the project."""
    from hookfetch.client.feeds import feed_line

    async def check() -> None:
        end = time.monotonic() + timeout
        async with open_client(server) as client:
            asked = await client.feeds.check(project, elements)
            while True:
                found = [
                    feed async for feed in _all(client.feeds, (project,), elements) if feed.url is not None
                ]
                late = [feed for feed in found if feed.last_asked is None or feed.last_asked < asked.at]
                if not late or time.monotonic() >= end:
                    break
                await asyncio.sleep(_LOOK_EVERY)
        for feed in found:
            click.echo(json.dumps(asdict(feed)) if as_json else feed_line(feed))
        if late:
            fail(f"{len(late)} of {len(found)} feeds have not answered within {timeout:g} s", FAILED)
        if any(feed.failing_since is not None for feed in found):
            fail("not every feed answered well", FAILED)

    run(check())


async def _all(calls: Any, projects: tuple[str, ...], elements: tuple[str, ...]) -> AsyncIterator[Any]:
    """Yield every feed, page by page, and warn of projects that do not answer."""
    token = ""
    while True:
        page = await calls.list(projects=projects, elements=elements, after=token)
        for feed in page.feeds:
            yield feed
        token = page.next_page_token
        if not token:
            from hookfetch.client.telling import silent_line

            warn(silent_line(page.silent))
            return


COMMANDS = (feeds,)
