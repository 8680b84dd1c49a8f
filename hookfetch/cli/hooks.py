"""`hookfetch hooks`: sets hooks up at the forges, looks at them, takes them away."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookfetch.cli.shared import FAILED, config_option, fail, json_option, run
from hookfetch.core.errors import ConfigurationError, HookfetchError

if TYPE_CHECKING:
    from hookfetch.hooks.installing import Installer, Outcome
    from hookfetch.hooks.judging import Finding
    from hookfetch.hooks.registration import Registration

_PATIENCE = 60.0  # seconds that a person waits for a forge's rate limit

hook_option = click.option(
    "--hook", "only", metavar="NAME", help="Only this hook; without it, all with an api."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing.")


@click.group()
def hooks() -> None:
    """Registrations at the forges: install, list, check, remove."""


@hooks.command()
@config_option
@hook_option
@dry_run_option
@json_option
@click.option(
    "--rotate",
    is_flag=True,
    help="Make the next secret instead, in the next of hook.secret_files. Install once `serve` accepts it.",
)
def install(config_file: Path, only: str | None, dry_run: bool, as_json: bool, rotate: bool) -> None:
    """Leave one right hook at each configured repository and group. A second run changes nothing."""

    async def work(registrations: Sequence["Registration"]) -> None:
        installers = _installers(config_file, registrations, dry_run=dry_run)
        if rotate:
            for registration, installer in installers:
                _say_new_secret(registration.name, installer.rotate(), as_json)
            return
        await _tell_outcomes(
            (installer.install for _, installer in installers), dry_run=dry_run, as_json=as_json
        )

    _with_registrations(config_file, only, work)


@hooks.command()
@config_option
@hook_option
@dry_run_option
@json_option
def remove(config_file: Path, only: str | None, dry_run: bool, as_json: bool) -> None:
    """Delete the hooks that post to our address, and no others; secret files stay."""

    async def work(registrations: Sequence["Registration"]) -> None:
        installers = _installers(config_file, registrations, dry_run=dry_run)
        await _tell_outcomes(
            (installer.remove for _, installer in installers), dry_run=dry_run, as_json=as_json
        )

    _with_registrations(config_file, only, work)


@hooks.command(name="list")
@config_option
@hook_option
@json_option
def list_(config_file: Path, only: str | None, as_json: bool) -> None:
    """Print our hooks, and how many others there are."""
    from hookfetch.hooks.judging import faults, ours

    async def work(registrations: Sequence["Registration"]) -> None:
        failed = False
        for registration in registrations:
            for target in registration.targets:
                try:
                    found = await registration.api.hooks(target)
                except HookfetchError as error:
                    failed = True
                    _print({"hook": registration.name, "target": str(target), "error": str(error)}, as_json)
                    continue
                mine = ours(found, registration.url)
                for hook in mine:
                    wrong = [words for _, words in faults(hook, registration.api.events)]
                    state = "; ".join(wrong) or (hook.disabled and f"switched off {hook.disabled}") or "right"
                    _print(
                        {
                            "hook": registration.name,
                            "target": str(target),
                            "id": hook.id,
                            "url": hook.url,
                            "events": sorted(hook.events),
                            "state": state,
                        },
                        as_json,
                    )
                others = len(found) - len(mine)
                if others or not mine:
                    _print(
                        {
                            "hook": registration.name,
                            "target": str(target),
                            "ours": len(mine),
                            "others": others,
                        },
                        as_json,
                    )
        if failed:
            fail("not every repository could be asked", FAILED)

    _with_registrations(config_file, only, work)


@hooks.command()
@config_option
@hook_option
@json_option
@click.option(
    "--fix", is_flag=True, help="Also install, and send a test delivery to hooks that the forge switched off."
)
def check(config_file: Path, only: str | None, as_json: bool, fix: bool) -> None:
    """Print what is wrong with our hooks; have repeated what never arrived. 1 if anything is wrong."""
    from hookfetch import bootstrap
    from hookfetch.config import load_config

    async def work(registrations: Sequence["Registration"]) -> None:
        if fix:
            installers = _installers(config_file, registrations, dry_run=False)
            for _, installer in installers:
                async for outcome in installer.install():
                    if outcome.error is not None or (outcome.step and outcome.step.action != "keep"):
                        _print(_outcome_fields(outcome, dry_run=False), as_json)
        config = load_config(config_file)
        wrong = 0
        async with bootstrap.open_arrived(config) as arrived:
            checker = bootstrap.checker_of(config, arrived, tests=fix)
            for registration in registrations:
                for finding in await checker.check(registration):
                    wrong += finding.wrong
                    _print(_finding_fields(finding), as_json)
        if wrong:
            fail(f"{wrong} of what was found is wrong", FAILED)

    _with_registrations(config_file, only, work)


def _with_registrations(
    config_file: Path, only: str | None, work: Callable[[Sequence["Registration"]], Awaitable[None]]
) -> None:
    async def open_and_work() -> None:
        async with _registrations(config_file, only) as registrations:
            await work(registrations)

    run(open_and_work())


@asynccontextmanager
async def _registrations(config_file: Path, only: str | None) -> AsyncIterator[Sequence["Registration"]]:
    from hookfetch import bootstrap
    from hookfetch.config import load_config

    async with bootstrap.open_registrations(load_config(config_file), _PATIENCE) as registrations:
        chosen = [each for each in registrations if only in (None, each.name)]
        if not chosen:
            which = "hook" if only is None else f"hook {only!r}"
            raise ConfigurationError(f"{config_file}: no {which} with an api: give it [hook.api]")
        yield chosen


def _installers(
    config_file: Path, registrations: Sequence["Registration"], *, dry_run: bool
) -> list[tuple["Registration", "Installer"]]:
    from hookfetch.config import load_config
    from hookfetch.hooks.installing import Installer
    from hookfetch.hooks.memory import Memory

    folder = load_config(config_file).state_dir / "hooks"
    return [
        (each, Installer(each, Memory.of(folder / f"{each.name}.json"), dry_run=dry_run))
        for each in registrations
    ]


async def _tell_outcomes(
    runs: Iterator[Callable[[], AsyncIterator["Outcome"]]], *, dry_run: bool, as_json: bool
) -> None:
    failed = False
    for begin in runs:
        async for outcome in begin():
            failed = failed or outcome.error is not None
            _print(_outcome_fields(outcome, dry_run=dry_run), as_json)
    if failed:
        fail("not everything was done", FAILED)


def _say_new_secret(hook: str, file: Path, as_json: bool) -> None:
    advice = "run `hookfetch hooks install` once each `hookfetch serve` says secrets_read, within seconds"
    _print({"hook": hook, "secret_file": str(file), "next": advice}, as_json)


def _outcome_fields(outcome: "Outcome", *, dry_run: bool) -> dict[str, object]:
    fields: dict[str, object] = {"hook": outcome.hook, "target": str(outcome.target)}
    if outcome.step is not None:
        fields["action"] = f"would {outcome.step.action}" if dry_run else outcome.step.action
        if outcome.step.hook is not None:
            fields["id"] = outcome.step.hook
        if outcome.step.reason:
            fields["reason"] = outcome.step.reason
    if outcome.error is not None:
        fields["error"] = outcome.error
    return fields


def _finding_fields(finding: "Finding") -> dict[str, object]:
    return {
        "hook": finding.hook,
        "target": str(finding.target),
        "code": finding.code,
        "wrong": finding.wrong,
        "text": finding.text,
    }


def _print(fields: dict[str, object], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(fields))
        return
    words = (",".join(value) if isinstance(value, list) else str(value) for value in fields.values())
    click.echo("  ".join(words))


COMMANDS = (hooks,)
