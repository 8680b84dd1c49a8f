"""`hookfetch dead`: what could not be handled, and what is to become of it."""

import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hookfetch.cli.shared import FAILED, config_option, fail, json_option, progress, run

if TYPE_CHECKING:
    from hookfetch.config import Config
    from hookfetch.core.ports import Bus, DeadLetter, Verdict
    from hookfetch.dead import Described, Wanted

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SHOWN_REASON = 200  # characters of a reason in a line for a person


class _Since(click.ParamType[float]):
    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return Unix seconds for `30m`, `2d` or an ISO date and time."""
        if match := re.fullmatch(r"(\d{1,9})([smhd])", value):
            return time.time() - int(match[1]) * _SECONDS[match[2]]
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write 30m, 12h, 2d or 2025-01-31T10:00", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.option("--hook", help="Only of this hook."),
            click.option("--project", help="Only events of this project."),
            click.option("--kind", type=click.Choice(["delivery", "event", "job"])),
            click.option(
                "--since", type=_Since(), metavar="TIME", help="Died since: 30m, 2d, 2025-01-31T10:00."
            ),
            click.option("--reason", metavar="TEXT", help="Only with this text in the reason."),
        )
    ):
        command = option(command)
    return command


_limit = click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)


@click.group()
def dead() -> None:
    """What could not be handled, with its reason."""


@dead.command(name="list")
@_filters
@_limit
@config_option
@json_option
def dead_list(config_file: Path, as_json: bool, limit: int, **filters: Any) -> None:
    """Print the dead letters, about the oldest first."""

    async def show(_: "Letters", found: "list[tuple[DeadLetter, Described]]") -> None:
        for _letter, described in found:
            click.echo(_as_json(described) if as_json else _as_line(described))

    _look(config_file, _wanted((), filters), limit, show)


@dead.command(name="show")
@click.argument("letter_id", metavar="ID")
@config_option
@json_option
def dead_show(letter_id: str, config_file: Path, as_json: bool) -> None:
    """Print what one message carries: the body decoded, secrets hidden."""
    from hookfetch.dead import content

    async def show(_: "Letters", found: "list[tuple[DeadLetter, Described]]") -> None:
        for letter, described in found:
            if as_json:
                click.echo(_as_json(described, **content(letter)))
                continue
            click.echo(_as_line(described))
            click.echo(json.dumps(content(letter), indent=2))

    _look(config_file, _wanted((letter_id,), {}), 100, show)


@dead.command(name="replay")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="Every dead letter.")
@_filters
@config_option
@json_option
def dead_replay(ids: tuple[str, ...], every: bool, config_file: Path, as_json: bool, **filters: Any) -> None:
    """Send dead letters where they were going. In-process, on the service's machine."""
    from hookfetch.dead import replay

    _need_some(ids, filters, every)

    async def send(letters: "Letters", letter: "DeadLetter") -> None:
        await replay(letters.bus, letters.config, letter)

    _settle(config_file, _wanted(ids, filters), send, "replayed", as_json=as_json)


@dead.command(name="drop")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--yes", is_flag=True, help="Needed with filters: what is dropped is gone.")
@_filters
@config_option
@json_option
def dead_drop(ids: tuple[str, ...], yes: bool, config_file: Path, as_json: bool, **filters: Any) -> None:
    """Forget dead letters for good."""
    _need_some(ids, filters, False)
    if not ids and not yes:
        raise click.UsageError("filters drop whatever they meet: add --yes")

    async def forget(_: "Letters", letter: "DeadLetter") -> None:
        """Nothing is sent."""

    _settle(config_file, _wanted(ids, filters), forget, "dropped", as_json=as_json)


@dataclass(frozen=True, slots=True)
class Letters:
    """The bus that holds the letters, and its configuration."""

    bus: "Bus"
    config: "Config"


def _wanted(ids: tuple[str, ...], filters: dict[str, Any]) -> "Wanted":
    from hookfetch.dead import Wanted

    return Wanted(ids=frozenset(ids), **filters)


def _need_some(ids: tuple[str, ...], filters: dict[str, Any], every: bool) -> None:
    filtered = any(value is not None for value in filters.values())
    if every == (bool(ids) or filtered):
        raise click.UsageError("give ids, filters, or --all where there is one")


def _look(
    config_file: Path,
    wanted: "Wanted",
    limit: int,
    show: "Callable[[Letters, list[tuple[DeadLetter, Described]]], Awaitable[None]]",
) -> None:
    from hookfetch.dead import describe

    async def look(letters: Letters) -> None:
        found: list[tuple[DeadLetter, Described]] = []

        async def judge(letter: "DeadLetter") -> "Verdict":
            if len(found) == limit:
                return "stop"
            if wanted.admits(described := describe(letter)):
                found.append((letter, described))
            return "keep"

        with progress("Looking through the dead letters"):
            await letters.bus.sift(judge)
        await show(letters, found)
        _complain(wanted, {letter.id for letter, _ in found})

    _with_letters(config_file, look)


def _settle(
    config_file: Path,
    wanted: "Wanted",
    act: "Callable[[Letters, DeadLetter], Awaitable[None]]",
    done: str,
    *,
    as_json: bool,
) -> None:
    from hookfetch.core.errors import Permanent
    from hookfetch.dead import describe

    async def settle(letters: Letters) -> None:
        settled: set[str] = set()
        failed = 0

        async def judge(letter: "DeadLetter") -> "Verdict":
            nonlocal failed
            if not wanted.admits(describe(letter)):
                return "keep"
            settled.add(letter.id)
            try:
                await act(letters, letter)
            except Permanent as error:
                failed += 1
                click.echo(f"{letter.id}  stays: {error}", err=True)
                return "keep"
            click.echo(json.dumps({"id": letter.id, "outcome": done}) if as_json else f"{letter.id}  {done}")
            return "remove"

        await letters.bus.sift(judge)
        _complain(wanted, settled)
        if failed:
            fail(f"{failed} could not be {done}", FAILED)

    _with_letters(config_file, settle)


def _with_letters(config_file: Path, work: Callable[[Letters], Awaitable[None]]) -> None:
    from hookfetch import bootstrap
    from hookfetch.config import load_config

    async def main() -> None:
        config = load_config(config_file)
        bus = bootstrap.bus_of(config)
        await bus.start()
        try:
            await work(Letters(bus, config))
        finally:
            await bus.close()

    run(main())


def _complain(wanted: "Wanted", met: set[str]) -> None:
    if missing := wanted.ids - met:
        fail(f"no such dead letter: {', '.join(sorted(missing))}", FAILED)


def _as_json(described: "Described", **more: object) -> str:
    from hookfetch.dead import fields

    return json.dumps({**fields(described), **more})


def _as_line(described: "Described") -> str:
    parts = (
        datetime.fromtimestamp(described.failed_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        described.id,
        described.kind,
        described.project or described.hook or "",
        f"{described.attempts} attempts" if described.attempts != 1 else "1 attempt",
        described.reason[:_SHOWN_REASON],
    )
    return "  ".join(part for part in parts if part)


COMMANDS = (dead,)
