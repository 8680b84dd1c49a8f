"""`hookfetch elements`: which elements have work open, and an operator's word on it."""

import json
import sys
from dataclasses import asdict
from typing import Any

import click

from hookfetch.cli.operating import asking, warn, why
from hookfetch.cli.shared import FAILED, json_option, open_client, run, server_option

_STATE = click.Choice(["set-aside", "held", "failing", "running", "waiting"])


@click.group()
def elements() -> None:
    """Elements with work open: which wait, fail or are set aside; try them again, or end it."""


@elements.command(name="list")
@server_option
@json_option
@click.option("--project", "projects", multiple=True, help="Only this project (may be repeated).")
@click.option("--state", "states", type=_STATE, multiple=True, help="Only in this state (may be repeated).")
@click.option("--element", "globs", multiple=True, metavar="GLOB", help="Only these, as `core/**.bst`.")
@click.option("--count", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
def elements_list(
    server: str,
    as_json: bool,
    projects: tuple[str, ...],
    states: tuple[str, ...],
    globs: tuple[str, ...],
    count: int,
) -> None:
    """Print elements with open jobs: set aside, held and failing ones first, then what runs and waits."""
    from hookfetch.client.telling import element_line, elements_line, rests_line, silent_line

    async def show(operations: Any) -> None:
        token, left = "", count
        while True:
            page = await operations.elements(
                projects=projects,
                states=[state.replace("-", " ") for state in states],
                globs=globs,
                after=token,
            )
            for each in page.elements[:left]:
                click.echo(json.dumps(asdict(each)) if as_json else element_line(each))
            left -= len(page.elements[:left])
            token = page.next_page_token
            if not left or not token:
                break
        if not as_json:
            click.echo(elements_line(page, shown=count - left))
        warn(rests_line(page.paused))
        warn(silent_line(page.silent))

    run(asking(server, show))


@elements.command(name="retry")
@click.argument("element", metavar="ELEMENT|GLOB")
@click.option("--project", required=True)
@server_option
@json_option
def elements_retry(element: str, project: str, server: str, as_json: bool) -> None:
    """Try what waits now, without waiting for the result; failures stay counted until it succeeds."""
    from hookfetch.client.telling import rests_line

    async def send(operations: Any) -> None:
        done = await operations.retry(project, element)
        _tell(done, project, as_json=as_json, word="retried", line="tried now")
        warn(rests_line([project] if done.paused else ()))

    run(asking(server, send))


@elements.command(name="release")
@click.argument("element", metavar="ELEMENT|GLOB")
@click.option("--project", required=True)
@server_option
@json_option
def elements_release(element: str, project: str, server: str, as_json: bool) -> None:
    """End quarantine and hold: count failures anew, follow rewritten history, and try it now."""
    from hookfetch.client.telling import rests_line

    async def send(operations: Any) -> None:
        done = await operations.release(project, element)
        _tell(done, project, as_json=as_json, word="released", line="released, tried now")
        warn(rests_line([project] if done.paused else ()))

    run(asking(server, send))


@elements.command(name="cancel")
@click.argument("element", metavar="ELEMENT|GLOB")
@click.option("--project", required=True)
@server_option
@json_option
def elements_cancel(element: str, project: str, server: str, as_json: bool) -> None:
    """End its jobs, whether they wait or run; the next push or request begins anew."""

    async def send(operations: Any) -> None:
        done = await operations.cancel(project, element)
        _tell(done, project, as_json=as_json, word="cancelled", line="cancelled")

    run(asking(server, send))


@elements.command(name="watch")
@click.argument("element")
@click.option("--project", required=True)
@server_option
@json_option
def elements_watch(element: str, project: str, server: str, as_json: bool) -> None:
    """Print how its open job stands, now and whenever that changes, until it is over: fails if that is not
    because it was done."""
    from hookfetch.client.terminal import progress_line

    async def show() -> None:
        state = ""
        async with open_client(server) as client:
            async for each in client.jobs.watch(project, element):
                click.echo(progress_line(element, each, as_json=as_json))
                state = each.state
        if state == "ended":
            sys.exit(FAILED)

    run(show())


@elements.command(name="locate")
@click.argument("element")
@click.option("--project", required=True)
@server_option
@json_option
def elements_locate(element: str, project: str, server: str, as_json: bool) -> None:
    """Print where its sources are: refs, cache keys, and the addresses of their originals."""
    from hookfetch.client.terminal import located_lines

    async def show() -> None:
        async with open_client(server) as client:
            located = await client.locate(project, element)
        if as_json:
            click.echo(json.dumps({"project": project, "element": element, **asdict(located)}))
        else:
            for line in located_lines(located):
                click.echo(line)

    run(show())


def _tell(done: Any, project: str, *, as_json: bool, word: str, line: str) -> None:
    """Print the elements that were found, and how many are left."""
    from hookfetch.client.telling import left_line

    for name in done.elements:
        click.echo(
            json.dumps({"project": project, "element": name, word: True}) if as_json else f"{name}  {line}"
        )
    warn(left_line(done.left))


elements.add_command(why, "show")  # one report, found under both names

COMMANDS = (elements,)
