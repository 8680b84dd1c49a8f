"""What the spool's reading thread does: recovery, reading, remembering progress, deleting. Blocking.

It decides nothing about what is done; it is told.
"""

import fcntl
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from hookfetch.spool.archive import Archive
from hookfetch.spool.outside import UNFINISHED
from hookfetch.spool.progress import (
    drop_litter,
    forget_progress,
    forget_segment,
    load_progress,
    save_progress,
)
from hookfetch.spool.segment import (
    OWN,
    QUARANTINE,
    SEALED,
    Reading,
    Stretch,
    made_at,
    read_stretch,
    segment_files,
)

# Bodies that one take returns, in bytes; the last of them may reach over it.
TAKE_BYTES = 32 * 1024 * 1024
# Seconds after which a file that an outsider never finished is litter.
UNFINISHED_FOR = 3600.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A directory after a restart: what is not done, oldest first, when its newest segment was
    made (nanoseconds of Unix time), and the bytes of damage set aside."""

    segments: tuple[Stretch, ...]
    newest: int
    damaged: int


def lock(directory: Path) -> int:
    """Make `directory`, own it until the returned descriptor is closed; OSError when another process does."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def recover(directory: Path, archive: Archive | None) -> Found:
    """Drop litter, put segments that are done away; return the rest. No segment is read yet."""
    if archive is not None:
        archive.open()
    drop_litter(directory)
    for path in directory.glob(f"*{UNFINISHED}"):
        if time.time() - path.stat().st_mtime > UNFINISHED_FOR:
            path.unlink(missing_ok=True)
    newest = archive.newest() if archive is not None else 0
    segments: list[Stretch] = []
    for path, size in segment_files(directory, (OWN, SEALED)):
        newest = max(newest, made_at(path))
        done = load_progress(path)
        if done >= size:
            _put_away(path, archive if size else None)
        else:
            segments.append(Stretch(path, done, size, crashed=path.suffix == OWN))
    damaged = sum(size for _, size in segment_files(directory, (QUARANTINE,)))
    return Found(tuple(segments), newest, damaged)


def read_stretches(stretches: Sequence[tuple[int, Stretch]], limit: int) -> list[tuple[int, Reading]]:
    """Read whole groups until there are `limit` deliveries or `TAKE_BYTES` of bodies; OSError when
    nothing can be read."""
    readings: list[tuple[int, Reading]] = []
    budget = TAKE_BYTES
    failure: OSError | None = None
    for number, stretch in stretches:
        if limit <= 0 or budget <= 0:
            break
        try:
            reading = read_stretch(stretch, limit, budget)
        except OSError as error:
            # One file that cannot be read holds up no other; it is tried again with each take.
            _log.error("spool_segment_unreadable", segment=stretch.path.name, reason=str(error))
            failure = error
            continue
        readings.append((number, reading))
        limit -= reading.count
        budget -= reading.body_bytes
    if failure is not None and not readings:
        raise failure
    return readings


def save_positions(offsets: dict[Path, int], finished: Sequence[Path], archive: Archive | None) -> list[Path]:
    """Write progress and put away what is finished; return what is gone from the spool."""
    gone: list[Path] = []
    try:
        for path, offset in offsets.items():
            save_progress(path, offset)
        for path in finished:
            _put_away(path, archive)
            gone.append(path)
    except OSError as error:
        # Not the caller's concern: what is forgotten here comes back after a restart, as repeats.
        _log.warning("spool_progress_not_saved", reason=str(error))
    return gone


def _put_away(segment: Path, archive: Archive | None) -> None:
    if archive is None:
        forget_segment(segment)
        return
    # The progress after it: without its segment it is litter, without it the segment comes back whole.
    archive.take_in(segment)
    forget_progress(segment)
