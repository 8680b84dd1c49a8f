"""`hookfetch mirrors`: what this machine keeps of upstreams, and giving some of it up."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookfetch.cli.shared import config_option, fail, json_option, progress

if TYPE_CHECKING:
    from hookfetch.core.expiry import Kept
    from hookfetch.originals.expiry import Entry

_SOON = 1.0  # seconds without a word
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@click.group()
def mirrors() -> None:
    """What the workers of this machine keep of upstreams: git mirrors, files, and notes of staged sources."""


@mirrors.command(name="list")
@config_option
@json_option
def mirrors_list(config_file: Path, as_json: bool) -> None:
    """Print what is kept, the least recently used first; `pinned` is in use now."""
    from hookfetch.config import load_config
    from hookfetch.originals.expiry import listed

    state_dir = load_config(config_file).state_dir
    with _telling("reading") as look:
        entries = sorted(listed(state_dir, time.time(), look), key=lambda entry: entry.kept.used)
    total = sum(entry.kept.bytes for entry in entries)
    _print(entries, as_json=as_json)
    if not as_json:
        click.echo(f"{_size(total)} in all")


@mirrors.command(name="expire")
@config_option
@click.option("--quota", type=click.IntRange(min=0), metavar="BYTES", help="Instead of engine.mirrors_bytes.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
def mirrors_expire(config_file: Path, quota: int | None, dry_run: bool, as_json: bool) -> None:
    """Give up what was not used for the longest time, until the rest is within the quota; also while the
    service runs, which does it by itself. What is in use stays."""
    from hookfetch.config import load_config
    from hookfetch.originals.expiry import expire

    config = load_config(config_file)
    most = config.engine.mirrors_bytes if quota is None else quota
    try:
        with _telling("looking what goes" if dry_run else "giving up") as look:
            done = expire(config.state_dir, most, dry_run=dry_run, look=look)
    except OSError as error:
        fail(f"{error.filename}: cannot be deleted: {error.strerror}", 1)
    _print(done.given_up, as_json=as_json)
    if not as_json:
        freed = sum(entry.kept.bytes for entry in done.given_up)
        would = "would be given up" if dry_run else "given up"
        click.echo(f"{_size(freed)} {would}, {_size(done.bytes_left)} left of {_size(most)}")


def _print(entries: "list[Entry] | tuple[Entry, ...]", *, as_json: bool) -> None:
    from hookfetch.core.expiry import Kept

    notes: dict[tuple[str | None, str], Kept] = {}  # one line for many small files
    for entry in entries:
        if entry.original is None:
            key = (entry.project, entry.kind)
            known = notes.get(key)
            notes[key] = Kept(
                name=str(entry.path.parent),
                bytes=entry.kept.bytes + (known.bytes if known else 0),
                used=max(entry.kept.used, known.used if known else 0.0),
                pinned=entry.kept.pinned or bool(known and known.pinned),
            )
        else:
            _line(entry.upstream, entry.kind, entry.kept, entry.project, as_json=as_json)
    for (project, kind), kept in notes.items():
        _line("", kind, kept, project, as_json=as_json)


def _line(upstream: str, kind: str, kept: "Kept", project: str | None, *, as_json: bool) -> None:
    if as_json:
        told = {"upstream": upstream or None, "kind": kind, "bytes": kept.bytes, "last_use": kept.used}
        click.echo(json.dumps({**told, "project": project, "pinned": kept.pinned, "path": kept.name}))
        return
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(kept.used))
    whose = project or "shared"
    click.echo(
        f"{_size(kept.bytes):>10}  {used}  {whose}  {kind}  {upstream or '-'}{'  pinned' * kept.pinned}"
    )


@contextmanager
def _telling(doing: str) -> Iterator["_Look"]:
    with ExitStack() as stack:
        yield _Look(doing, stack)


class _Look:
    """Says what is being done once it has taken a while."""

    def __init__(self, doing: str, stack: ExitStack) -> None:
        self._doing = doing
        self._stack = stack
        self._began = time.monotonic()
        self._said = False

    def __call__(self, path: Path) -> None:
        if not self._said and time.monotonic() - self._began > _SOON:
            self._said = True
            self._stack.enter_context(progress(f"{self._doing}, now {path}"))


def _size(count: int) -> str:
    size = float(count)
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


COMMANDS = (mirrors,)
