"""`hookfetch affected`, `inspect` and `dead`: they look at what is there, and replay what died."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from hookfetch.cli.shared import FAILED, config_option, fail, json_option, progress, run
from hookfetch.core.errors import ConfigurationError


@click.command()
@config_option
@click.option("--project", required=True)
@click.option("--repo", metavar="URL", help="The repository, in any form.")
@click.option("--ref", help="A full ref, or a branch.")
@click.option(
    "--delivery", type=click.Path(path_type=Path, dir_okay=False), help="A saved body, headers beside it."
)
@click.option("--hook", help="The hook the delivery came by.")
@json_option
def affected(
    config_file: Path,
    project: str,
    repo: str | None,
    ref: str | None,
    delivery: Path | None,
    hook: str | None,
    as_json: bool,
) -> None:
    """Print the elements that a push, or a saved delivery, would refresh."""
    from hookfetch import affected as question
    from hookfetch import bootstrap
    from hookfetch.config import load_config

    config = load_config(config_file)
    if project not in {known.name for known in config.project}:
        raise ConfigurationError(f"--project: {config_file} has no project {project!r}")
    if repo is not None and ref is not None and delivery is None and hook is None:
        questions = [question.question(repo, ref)]
    elif delivery is not None and hook is not None and repo is None and ref is None:
        hooks = bootstrap.load_hooks(config)
        if hook not in hooks:
            raise ConfigurationError(f"--hook: {config_file} has no hook {hook!r}")
        questions = question.questions_of(delivery, hook, hooks[hook].forge)
    else:
        raise click.UsageError("give either --repo and --ref, or --delivery and --hook")

    async def ask() -> None:
        engine = bootstrap.engine_of(config)
        try:
            with progress(f"Loading {project}"):
                names = await question.affected(engine, project, questions)
        finally:
            await engine.close()
        for name in names:
            click.echo(json.dumps({"element": name}) if as_json else name)

    run(ask())


@click.group()
def inspect() -> None:
    """Judge saved input as the service would; changes nothing."""


@inspect.command(name="delivery")
def inspect_delivery() -> None:
    """Read deliveries as JSON lines on stdin, write what each means as JSON lines."""
    from hookfetch.forges import load_forges
    from hookfetch.inspection import inspect_deliveries

    for line in inspect_deliveries(sys.stdin, load_forges()):
        click.echo(line)


@click.group()
def dead() -> None:
    """What could not be handled, with its reason."""


@dead.command(name="list")
@config_option
@json_option
def dead_list(config_file: Path, as_json: bool) -> None:
    """Print the dead letters, oldest first."""
    from hookfetch import bootstrap
    from hookfetch.config import load_config

    async def show() -> None:
        bus = bootstrap.bus_of(load_config(config_file))
        await bus.start()
        try:
            for letter in await bus.dead_letters():
                fields = {**asdict(letter), "body": f"{len(letter.body)} bytes"}
                click.echo(
                    json.dumps(fields) if as_json else f"{letter.id}  {letter.origin}  {letter.reason}"
                )
        finally:
            await bus.close()

    run(show())


@dead.command(name="replay")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="Every dead letter.")
@config_option
def dead_replay(ids: tuple[str, ...], every: bool, config_file: Path) -> None:
    """Send dead letters where they were going; on the ingress's machine for deliveries."""
    from hookfetch import bootstrap
    from hookfetch.config import load_config
    from hookfetch.dead import replay

    if bool(ids) == every:
        raise click.UsageError("give ids, or --all")

    async def send() -> None:
        config = load_config(config_file)
        bus = bootstrap.bus_of(config)
        await bus.start()
        try:
            letters = [letter for letter in await bus.dead_letters() if every or letter.id in ids]
            for letter in letters:
                await replay(bus, config, letter)
                click.echo(f"{letter.id}  replayed")
        finally:
            await bus.close()
        missing = set(ids) - {letter.id for letter in letters}
        if missing:
            fail(f"no such dead letter: {', '.join(sorted(missing))}", FAILED)

    run(send())


COMMANDS = (affected, inspect, dead)
