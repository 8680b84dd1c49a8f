"""`hookfetch affected` and `inspect`: they judge what is there, and change nothing."""

import json
import sys
from pathlib import Path

import click

from hookfetch.cli.shared import config_option, json_option, progress, run
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
    projects = {known.name: known for known in config.projects()}
    if project not in projects:
        raise ConfigurationError(
            f"--project: {config_file} has no project {project!r}, but {', '.join(projects) or 'none'}"
        )
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
        engine, policy = bootstrap.engine_of(config), bootstrap.policy_of(projects[project])
        try:
            with progress(f"Loading {project}"):
                found = await question.affected(engine, project, policy, questions)
        finally:
            await engine.close()
        for name in found:
            click.echo(json.dumps({"element": name}) if as_json else name)

    run(ask())


@click.group()
def inspect() -> None:
    """Judge saved input as the service would; changes nothing."""


@inspect.command(name="delivery")
def inspect_delivery() -> None:
    """Read deliveries as JSON lines on stdin, write what each means as JSON lines.

    A line has id, forge, secret (one or a list), headers, body_file or body_base64; optionally now (Unix
    seconds) and the hook's options base_url, sha1 and header (docs/forges.md).
    """
    from hookfetch.forges import load_forges
    from hookfetch.inspection.deliveries import inspect_deliveries

    for line in inspect_deliveries(sys.stdin, load_forges()):
        click.echo(line)


@inspect.command(name="edit")
def inspect_edit() -> None:
    """Read files and changes of their refs as JSON lines on stdin, write the changed texts as JSON lines.

    A line has id, path, text, changes (source_path, kind, url_before, url_after, ref_before, ref_after and
    so on) and variables; an answer has id, outcome (ok or refused), reason and text (docs/edits.md).
    """
    from hookfetch.inspection.edits import bounded_lines, inspect_edits

    for line in inspect_edits(bounded_lines(sys.stdin.buffer)):
        click.echo(line)


@inspect.command(name="feed")
def inspect_feed() -> None:
    """Read documents of upstreams as JSON lines on stdin, write the releases in them as JSON lines.

    A line has id, kind (docs/feeds.md), file, and optionally content_type and url; an answer has id, outcome
    (ok or error), reason, releases and latest.
    """
    from hookfetch.inspection.feeds import inspect_feeds

    for line in inspect_feeds(sys.stdin):
        click.echo(line)


COMMANDS = (affected, inspect)
