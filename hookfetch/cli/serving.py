"""`hookfetch serve` and `hookfetch demo`: they run until they are done or told to stop."""

from pathlib import Path
from typing import Literal

import click

from hookfetch.cli.shared import config_option, json_option, run


@click.command()
@config_option
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["ingress", "coordinator", "worker", "gateway"]),
    help="Run only this role (may be repeated); needs a broker. Without it, all four.",
)
@click.option("--log", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def serve(config_file: Path, roles: tuple[str, ...], form: Literal["text", "json"]) -> None:
    """Run the service until SIGTERM or SIGINT."""
    from hookfetch import bootstrap, service
    from hookfetch.config import ROLES, load_config
    from hookfetch.logs import configure_logs

    configure_logs(form)
    config = load_config(config_file)
    parts = bootstrap.build(config, roles or ROLES)
    run(service.run(parts))


@click.command()
@click.option("--keep", is_flag=True, help="Leave it running until interrupted, its addresses printed.")
@json_option
@click.option("--amqp", metavar="URL", help="Over this RabbitMQ, each role a process of its own.")
def demo(keep: bool, as_json: bool, amqp: str | None) -> None:
    """Watch a real push become a cached and announced source, in a temporary folder.

    Exits with 0 only if every step was observed.
    """
    from hookfetch.demo.report import show

    run(show(keep=keep, as_json=as_json, amqp=amqp))


COMMANDS = (serve, demo)
