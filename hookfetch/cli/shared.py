"""What every command shares: options, exit codes, and how errors become one line."""

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

import click

from hookfetch.core.errors import ConfigurationError, HookfetchError, Temporary

FAILED, UNUSABLE, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("hookfetch.toml"),
    show_default=True,
    help="The configuration file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON lines, for machines.")
server_option = click.option(
    "--server", default="127.0.0.1:50052", show_default=True, metavar="HOST:PORT", help="The gRPC gateway."
)


class Command(click.Group):
    """Turns the project's errors into one line and the documented exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        from hookfetch.logs import configure_logs

        configure_logs("text", logging.WARNING)  # `serve` says more
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            fail(str(error), UNUSABLE)
        except HookfetchError as error:
            from hookfetch.client.errors import Unavailable

            fail(str(error), UNREACHABLE if isinstance(error, Unavailable | Temporary) else FAILED)


def fail(text: str, code: int) -> NoReturn:
    """Say `text` in one line and end with `code`."""
    click.echo(f"hookfetch: {text}", err=True)
    sys.exit(code)


def progress(doing: str) -> AbstractContextManager[object]:
    """Say on stderr what is being done while it is; on a terminal it moves, elsewhere it is a line."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        click.echo(f"{doing} …", err=True)
    return console.status(f"{doing} …")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main`; SIGTERM ends it as SIGINT does, so that whatever it started is ended and reaped."""

    async def interruptible() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await main

    try:
        asyncio.run(interruptible())
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(INTERRUPTED)
