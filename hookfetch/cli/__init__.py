"""The `hookfetch` command: reads arguments, calls one function, prints lines. Decides nothing.

Exit codes: 0 done; 1 what was asked for failed; 2 the arguments or the configuration cannot be
used; 3 the service could not be reached; 130 interrupted.
"""

import click

from hookfetch.cli import (
    asking,
    clients,
    dead,
    elements,
    feeds,
    hooks,
    judging,
    keeping,
    mirrors,
    operating,
    projects,
    serving,
    updates,
)
from hookfetch.cli.shared import Command


@click.group(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 done; 1 what was asked for failed; 2 the arguments or the configuration "
        "cannot be used; 3 the service could not be reached; 130 interrupted."
    ),
)
@click.version_option(package_name="hookfetch")
def main() -> None:
    """Turn pushes and releases upstream into tracked, fetched, cached and announced BuildStream sources."""


for command in (
    *serving.COMMANDS,
    *asking.COMMANDS,
    *updates.COMMANDS,
    *judging.COMMANDS,
    *dead.COMMANDS,
    *hooks.COMMANDS,
    *operating.COMMANDS,
    *elements.COMMANDS,
    *projects.COMMANDS,
    *feeds.COMMANDS,
    *keeping.COMMANDS,
    *mirrors.COMMANDS,
    *clients.COMMANDS,
):
    main.add_command(command)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell's completion script, to be sourced."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "hookfetch", "_HOOKFETCH_COMPLETE").source())
