"""`hookfetch projects`: what the service's projects hold, and their branches loaded again."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import click

from hookfetch.cli.operating import warn
from hookfetch.cli.shared import json_option, open_client, progress, run, server_option


@click.group()
def projects() -> None:
    """Projects of a service: list them, see what they hold, load their branches again."""


@projects.command(name="list")
@server_option
@json_option
def projects_list(server: str, as_json: bool) -> None:
    """Print the projects with what is loaded of them, and why a newer commit is not."""
    from hookfetch.client.telling import silent_line
    from hookfetch.client.terminal import project_line

    async def show(calls: Any) -> None:
        listed = await calls.list()
        for each in listed.projects:
            click.echo(json.dumps(asdict(each)) if as_json else project_line(each))
        warn(silent_line(listed.silent))

    run(_asking(server, show))


@projects.command(name="describe")
@click.argument("project")
@click.argument("globs", nargs=-1, metavar="[ELEMENT|GLOB]...")
@server_option
@json_option
def projects_describe(project: str, globs: tuple[str, ...], server: str, as_json: bool) -> None:
    """Print the elements of a project with their committed sources and what these follow."""
    from hookfetch.client.terminal import element_lines

    async def show(calls: Any) -> None:
        async for each in calls.describe(project, globs):
            if as_json:
                click.echo(json.dumps(asdict(each)))
            else:
                for line in element_lines(each):
                    click.echo(line)

    run(_asking(server, show))


@projects.command(name="reload")
@click.argument("project")
@server_option
@json_option
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Wait so many seconds.")
def projects_reload(project: str, server: str, as_json: bool, timeout: float) -> None:
    """Have a project's branch fetched and loaded again, as a push there does, and print what that found."""
    from hookfetch.client.terminal import reloaded_line

    async def ask(calls: Any) -> None:
        with progress(f"Loading {project}"):
            found = await calls.reload(project, timeout=timeout)
        click.echo(json.dumps({"project": project, **asdict(found)}) if as_json else reloaded_line(found))

    run(_asking(server, ask))


async def _asking(server: str, ask: Callable[[Any], Awaitable[None]]) -> None:
    async with open_client(server) as client:
        await ask(client.projects)


COMMANDS = (projects,)
