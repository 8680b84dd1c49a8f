"""What is kept of upstreams on this machine, and giving up what was not used for the longest time.

Beside the originals that is what each worker's BuildStream remembers of sources that it staged. Whatever
is deleted is renamed away first: it is whole or gone, whenever this ends.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hookfetch.core.expiry import Kept, surplus
from hookfetch.originals.folder import Folder, Original
from hookfetch.originals.locks import Lock

_BLOCK = 512  # bytes: stat(2), st_blocks
# BuildStream's notes of staged sources have no lock. A job that has just looked one up needs it: such a one
# counts as pinned for as long as a job may take.
_NOTES = ("source_protos", "elementsources")
NOTE_PINNED = 2 * 3600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that is kept. `project` is None for what every project shares, `original` for a note of
    BuildStream's."""

    kept: Kept
    path: Path
    kind: str
    upstream: str
    project: str | None
    original: Original | None


@dataclass(frozen=True, slots=True)
class Expired:
    """What was given up, and how many bytes all the rest has."""

    given_up: tuple[Entry, ...]
    bytes_left: int


def listed(state_dir: Path, now: float, look: Callable[[Path], object] = Path) -> Iterator[Entry]:
    """Yield all that is kept below `state_dir`, at the Unix time `now`; `look` is told each path before its
    size is read. Blocks."""
    for project, original in Folder.of(state_dir):
        look(original.directory)
        kind, upstream = original.about()
        used = original.used
        if used is None:
            used = _changed(original.directory)
        yield Entry(
            kept=Kept(
                name=str(original.directory),
                bytes=_bytes(original.directory),
                used=used,
                pinned=_is_held(original),
            ),
            path=original.directory,
            kind=kind,
            upstream=upstream,
            project=project,
            original=original,
        )
    for project, cache in _caches(state_dir / "engine"):
        for kind in _NOTES:
            look(cache / kind)
            for path in _files(cache / kind):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                size = status.st_blocks * _BLOCK
                pinned = now - status.st_mtime < NOTE_PINNED
                kept = Kept(name=str(path), bytes=size, used=status.st_mtime, pinned=pinned)
                yield Entry(kept=kept, path=path, kind=kind, upstream="", project=project, original=None)


def expire(
    state_dir: Path,
    quota: int,
    *,
    dry_run: bool = False,
    look: Callable[[Path], object] = Path,
    clock: Callable[[], float] = time.time,
) -> Expired:
    """Give up what is more than `quota` bytes, the least recently used first and nothing that is in use; with
    `dry_run` only say what. OSError when something cannot be deleted. Blocks."""
    if not dry_run:
        tidy(state_dir)
    entries = {entry.kept.name: entry for entry in listed(state_dir, clock(), look)}
    left = sum(entry.kept.bytes for entry in entries.values())
    given_up = []
    for kept in surplus((entry.kept for entry in entries.values()), quota):
        entry = entries[kept.name]
        look(entry.path)
        if dry_run or _give_up(state_dir, entry):
            given_up.append(entry)
            left -= kept.bytes
    return Expired(tuple(given_up), left)


def make_room(state_dir: Path, quota: int) -> Expired:
    """Give up the quarter of what is kept that was not used for the longest time, and what is more than
    `quota` anyway: the disk is full. OSError as `expire`. Blocks."""
    total = sum(entry.kept.bytes for entry in listed(state_dir, time.time()))
    return expire(state_dir, min(quota, total - total // 4))


def tidy(state_dir: Path) -> None:
    """Delete what was renamed away and not deleted by one who died. What is being made stays. Blocks."""
    for path in Folder.of(state_dir).leftovers(time.time()):
        shutil.rmtree(path, ignore_errors=True)  # another process may be at it too


def _give_up(state_dir: Path, entry: Entry) -> bool:
    """Return whether it is given up: not when somebody has used it since, or does."""
    if entry.original is None:
        entry.path.unlink(missing_ok=True)
        return True
    pin = Lock.try_now(entry.original.pin, shared=False)
    if pin is None:
        return False
    with pin:
        work = Lock.try_now(entry.original.work, shared=False)
        if work is None:
            return False
        with work:
            used = entry.original.used
            if used is not None and used != entry.kept.used:
                return False
            away = Folder.of(state_dir).away()
            away.parent.mkdir(exist_ok=True)
            entry.original.directory.rename(away)
            work.remove()
            pin.remove()
    shutil.rmtree(away, ignore_errors=True)
    return True


def _is_held(original: Original) -> bool:
    if not original.pin.exists():
        return False
    lock = Lock.try_now(original.pin, shared=False)
    if lock is None:
        return True
    lock.close()
    return False


def _bytes(directory: Path) -> int:
    total = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * _BLOCK  # noqa: PTH118 - many of them
            except FileNotFoundError:
                continue
    return total


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _caches(engine: Path) -> Iterator[tuple[str, Path]]:
    """Yield BuildStream's cache of each worker, with its project's name."""
    for project in sorted(engine.glob("*")):
        for cache in sorted(project.glob("*/cache")):
            yield project.name, cache


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names)
