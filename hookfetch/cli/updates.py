"""`hookfetch updates`: what a running service proposes, written into the refs of a checkout."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import click

from hookfetch.cli.shared import FAILED, open_client, run, server_option


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The project's folder, with its project.conf.  [default: this one]",
)
@click.option("--project", help="Its name at the service.  [default: the one in project.conf]")
@click.option("--element", "globs", multiple=True, metavar="GLOB", help="Only these, as `core/**.bst`.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["diff", "json"]),
    default="diff",
    show_default=True,
    help="What is printed.",
)
@click.option("--write", is_flag=True, help="Change the files, too.")
@server_option
def updates(
    directory: Path,
    project: str | None,
    globs: tuple[str, ...],
    form: Literal["diff", "json"],
    write: bool,
    server: str,
) -> None:
    """Print the announced refs that a checkout does not have, as a diff for `git apply` or as JSON.

    Only the scalars that are refs change. An element whose refs cannot be written safely, or are not those
    that its update begins at, is named with the reason, all of it is left as it is, and the exit code is 1.
    """
    from hookfetch.updates import Checkout, plan, project_name

    checkout = Checkout(directory)
    name = project or project_name(checkout)

    async def show() -> None:
        async with open_client(server) as client:
            listing = await client.list(projects=[name], elements=globs)
        proposed = {update.element: update.changes for update in listing.updates}
        planned = plan(proposed, checkout)
        if write:
            checkout.write(planned.files)
        if form == "json":
            click.echo(json.dumps(_as_json(name, listing.updates, planned)))
        else:
            _print_diff(planned)
        if planned.refused:
            sys.exit(FAILED)

    run(show())


def _print_diff(planned: Any) -> None:
    from hookfetch.updates import unified_diff

    for file in planned.files:
        # As bytes: a text stream may change line ends, and knows other encodings.
        click.echo(unified_diff(file.path, file.before, file.after).encode(), nl=False)
    for element, reason in planned.refused.items():
        click.echo(f"hookfetch: {element} is left as it is: {reason}", err=True)
    if planned.landed:
        click.echo(f"hookfetch: already here: {len(planned.landed)} of the proposed elements", err=True)
    if not (planned.files or planned.landed or planned.refused):
        click.echo("hookfetch: nothing is proposed", err=True)


def _as_json(project: str, listed: Any, planned: Any) -> dict[str, Any]:
    written = [
        {
            **{key: value for key, value in asdict(update).items() if key not in ("project", "cursor")},
            "files": planned.written[update.element],
        }
        for update in listed
        if update.element in planned.written
    ]
    return {
        "project": project,
        "files": [{"path": file.path, "text": file.after} for file in planned.files],
        "updates": written,
        "landed": planned.landed,
        "refused": [{"element": element, "reason": reason} for element, reason in planned.refused.items()],
    }


COMMANDS = (updates,)
