"""`hookfetch client`: what clients of the service need to have."""

import json
import sys
from pathlib import Path

import click

from hookfetch.cli.shared import config_option, progress, run
from hookfetch.core.errors import ConfigurationError


@click.group()
def client() -> None:
    """What clients of the service need to have."""


@client.command(name="config")
@config_option
@click.option("--project", required=True)
@click.option(
    "--originals",
    metavar="URL",
    multiple=True,
    help="Where originals are served (may be repeated).  [default: from originals.public_url or .listen]",
)
@click.option("--track/--no-track", default=True, show_default=True, help="Whether clients also track there.")
@click.option(
    "--gateway",
    metavar="URL",
    help="The address of grpc.listen as clients have it, to be asked for sources before any upstream.",
)
@click.option(
    "--shared-storage",
    is_flag=True,
    help="Have clients use the source cache as their storage, and keep no sources themselves.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, which is YAML too.")
def client_config(
    config_file: Path,
    project: str,
    originals: tuple[str, ...],
    track: bool,
    gateway: str | None,
    shared_storage: bool,
    as_json: bool,
) -> None:
    """Print BuildStream's user configuration for clients of a project: its source caches, and mirrors for
    what they need unstaged. The project is loaded for its aliases; what else to know goes to stderr."""
    from hookfetch import bootstrap
    from hookfetch.client_configuration import client_configuration, originals_urls
    from hookfetch.config import load_config
    from hookfetch.originals.privacy import Credentials

    config = load_config(config_file)
    projects = {known.name: known for known in config.projects()}
    if project not in projects:
        known = ", ".join(projects) or "none"
        raise ConfigurationError(f"--project: {config_file} has no project {project!r}, but {known}")
    urls = [url.rstrip("/") for url in originals] or originals_urls(config)
    credentials = Credentials.of_this_user([upstream.host for upstream in config.upstream])

    async def show() -> None:
        engine = bootstrap.engine_of(config)
        try:
            with progress(f"Loading {project}"):
                loaded = await engine.load(project)
        finally:
            await engine.close()
        made = client_configuration(
            projects[project],
            loaded,
            urls,
            credentials.needed_for,
            tokens=bool(config.caller),
            tracks=track,
            gateway=gateway,
            shares_storage=shared_storage,
        )
        for note in [*made.notes, *([] if urls else ["no originals: set originals.listen to serve them"])]:
            click.echo(f"hookfetch: {note}", err=True)
        if as_json:
            click.echo(json.dumps(made.content))
        else:
            _print_yaml(made.content)

    run(show())


def _print_yaml(content: object) -> None:
    from ruamel.yaml import YAML

    YAML().dump(content, sys.stdout)


COMMANDS = (client,)
