"""What every command shares: options, exit codes, and how errors become one line."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from hookfetch.core.errors import ConfigurationError, HookfetchError, Temporary

if TYPE_CHECKING:
    from hookfetch.client import Client

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
_server = click.option(
    "--server", default="127.0.0.1:50052", show_default=True, metavar="HOST:PORT", help="The gRPC gateway."
)
_CREDENTIALS = "hookfetch.credentials"  # where a command's context keeps them
F = TypeVar("F", bound=Callable[..., Any])


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    context.meta.setdefault(_CREDENTIALS, {})[parameter.name] = value


def _credential(flag: str, name: str, text: str, *, variable: str | None = None) -> Callable[[F], F]:
    return click.option(
        flag,
        name,
        type=click.Path(path_type=Path, dir_okay=False),
        envvar=variable,
        show_envvar=True,
        expose_value=False,
        callback=_keep,
        help=text,
    )


def server_option(command: F) -> F:
    """Give `command` the options that say where the gateway is, and what is shown to it."""
    for option in (
        _credential("--key", "key_file", "PEM: the private key of --cert."),
        _credential("--cert", "cert_file", "PEM: the certificate to show to the gateway."),
        _credential("--ca-file", "ca_file", "PEM: who signed the gateway's certificate, for TLS."),
        click.option(
            "--tls",
            is_flag=True,
            expose_value=False,
            callback=_keep,
            help="Over TLS, with the system's authorities.",
        ),
        _credential("--token-file", "token_file", "A file with a token.", variable="HOOKFETCH_TOKEN_FILE"),
        _server,
    ):
        command = option(command)
    return command


def open_client(server: str) -> "Client":
    """Return a client of the gateway, with the credentials that the command was given."""
    from hookfetch.client import Client, Credentials

    given = click.get_current_context().meta.get(_CREDENTIALS, {})
    return Client(server, Credentials(**given))


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
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] == __package__.partition(".")[0]:
                raise
            command = f"{ctx.info_name} {ctx.invoked_subcommand}"
            fail(
                f"`{command}` needs the service's libraries, and {error.name!r} is not installed: "
                "pip install 'hookfetch[server]'",
                UNUSABLE,
            )
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
