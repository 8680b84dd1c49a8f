"""`hookfetch deliveries`, `why`, `state`, `pause` and `resume`: an operator asks a running service."""

import json
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from hookfetch.cli.shared import json_option, open_client, run, server_option

_END = click.Choice(["waiting", "dead", "open", "set aside", "done", "coalesced", "nothing to do", "stale"])


@click.group()
def deliveries() -> None:
    """What was accepted, and what became of it."""


@deliveries.command(name="list")
@server_option
@json_option
@click.option("--hook", help="Only of this hook.")
@click.option("--since", type=click.DateTime(), help="Received at this local time or later.")
@click.option("--until", type=click.DateTime(), help="Received before this local time.")
@click.option("--outcome", type=_END, help="Only those that stand so.")
@click.option("--count", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
def deliveries_list(
    server: str,
    as_json: bool,
    hook: str | None,
    since: datetime | None,
    until: datetime | None,
    outcome: str | None,
    count: int,
) -> None:
    """Print accepted deliveries, newest first."""
    from hookfetch.client.telling import page_lines, silent_line

    async def show(operations: Any) -> None:
        token, left = "", count
        while True:
            page = await operations.deliveries(
                hook=hook,
                since=since.timestamp() if since else None,
                until=until.timestamp() if until else None,
                outcome=outcome,
                after=token,
            )
            shown = page.deliveries[:left]
            lines = (
                [json.dumps(asdict(each)) for each in shown]
                if as_json
                else list(page_lines(page))[: len(shown)]
            )
            for line in lines:
                click.echo(line)
            warn(silent_line(page.silent))
            left -= len(shown)
            token = page.next_page_token
            if not left or not token:
                return

    run(asking(server, show))


@deliveries.command(name="show")
@click.argument("delivery_id", metavar="ID")
@server_option
@json_option
def deliveries_show(delivery_id: str, server: str, as_json: bool) -> None:
    """Print the whole story of a delivery and its replays."""
    from hookfetch.client.telling import silent_line, story_lines

    async def show(operations: Any) -> None:
        story = await operations.story(delivery_id)
        _print(story, story_lines(story), as_json=as_json)
        warn(silent_line(story.silent))

    run(asking(server, show))


@deliveries.command(name="replay")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@server_option
@json_option
def deliveries_replay(ids: tuple[str, ...], server: str, as_json: bool) -> None:
    """Send deliveries the whole way again, each under a new id that is printed."""

    async def send(operations: Any) -> None:
        for each in ids:
            again = await operations.replay(each)
            click.echo(
                json.dumps({"id": each, "replay": again}) if as_json else f"{each}  replayed as {again}"
            )

    run(asking(server, send))


@click.command()
@click.argument("element")
@click.option("--project", required=True)
@server_option
@json_option
def why(element: str, project: str, server: str, as_json: bool) -> None:
    """Say why an element has not moved: what it follows, what was seen there, what waits."""
    from hookfetch.client.telling import report_lines

    async def show(operations: Any) -> None:
        report = await operations.explain(project, element)
        _print(report, report_lines(report), as_json=as_json)

    run(asking(server, show))


@click.command()
@server_option
@json_option
def state(server: str, as_json: bool) -> None:
    """Print how the projects are."""
    from hookfetch.client.telling import state_lines

    async def show(operations: Any) -> None:
        found = await operations.state()
        _print(found, state_lines(found), as_json=as_json)

    run(asking(server, show))


@click.command()
@click.option("--project", "projects", multiple=True, help="Only this project (may be repeated).")
@click.option("--reason", default="", help="Why, for those who ask.")
@server_option
@json_option
def pause(projects: tuple[str, ...], reason: str, server: str, as_json: bool) -> None:
    """Have projects rest: deliveries are accepted and wait, requests by name are still served."""

    async def send(operations: Any) -> None:
        for name in await operations.pause(projects, reason):
            click.echo(json.dumps({"project": name, "paused": True}) if as_json else f"{name}  paused")

    run(asking(server, send))


@click.command()
@click.option("--project", "projects", multiple=True, help="Only this project (may be repeated).")
@server_option
@json_option
def resume(projects: tuple[str, ...], server: str, as_json: bool) -> None:
    """Let projects go on with what was accepted meanwhile."""

    async def send(operations: Any) -> None:
        for name in await operations.resume(projects):
            click.echo(json.dumps({"project": name, "paused": False}) if as_json else f"{name}  resumed")

    run(asking(server, send))


async def asking(server: str, work: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Do `work` with an operator's calls to the gateway at `server`."""
    async with open_client(server) as client:
        await work(client.operations)


def _print(value: Any, lines: Any, *, as_json: bool) -> None:
    for line in [json.dumps(asdict(value))] if as_json else lines:
        click.echo(line)


def warn(text: str | None) -> None:
    """Say `text`, if there is one, beside the output."""
    if text is not None:
        click.echo(f"hookfetch: {text}", err=True)


COMMANDS = (deliveries, why, state, pause, resume)
