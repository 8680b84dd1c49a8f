"""Segments whose deliveries are all done, kept for a while: their bodies can be read and sent again.

A segment comes here by a rename and goes whole, oldest first. Nothing that waits is ever here, so
anything here may be deleted at any time, by us or by an operator. Blocking: called in threads.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from hookfetch.core.delivery import Delivery
from hookfetch.core.kept import Place
from hookfetch.spool.segment import OWN, SEALED, made_at, read_group

# Segments that one call deletes at most: between two, other threads have their turn.
STEP = 100
# Bytes that a small file takes at least.
_BLOCK = 4096

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    made: int
    path: Path
    bytes: int
    written_at: float


class Archive:
    """The folder of done segments, on the spool's file system. `spool` is where they come from."""

    def __init__(self, directory: Path, spool: Path) -> None:
        self.directory = directory
        self._spool = spool

    def open(self) -> None:
        """Make the folder; OSError when that fails."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def take_in(self, segment: Path) -> None:
        """Move a segment that is done in here; one that is gone already is fine. OSError otherwise."""
        try:
            segment.rename(self.directory / segment.name)
        except FileNotFoundError:
            if segment.exists():  # it is the folder that is missing: an operator removed it
                self.open()
                segment.rename(self.directory / segment.name)

    def newest(self) -> int:
        """Return when the newest segment was made, in nanoseconds of Unix time; 0 without any."""
        return max((kept.made for kept in self._kept()), default=0)

    def read(self, place: Place) -> Delivery | None:
        """Return the delivery at `place`, or None when it is no longer kept or damaged."""
        if Path(place.segment).name != place.segment:
            return None
        # A segment moves from the spool to here while it is looked for: look here again.
        for folder in (self.directory, self._spool, self.directory):
            try:
                fd = os.open(folder / place.segment, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                found = read_group(fd, place.offset, os.fstat(fd).st_size)
            finally:
                os.close(fd)
            group = found[0] if found else []
            return group[place.ordinal] if place.ordinal < len(group) else None
        return None

    def used_bytes(self) -> int:
        """Return the bytes on disk."""
        return sum(kept.bytes for kept in self._kept())

    def shrink(self, keep_bytes: int, written_before: float) -> int:
        """Delete the oldest segments until `keep_bytes` are left and all that were last written before
        `written_before` (Unix seconds) are gone, at most `STEP` of them; return how many it deleted."""
        kept = sorted(self._kept(), key=lambda segment: (segment.made, segment.path))
        used = sum(segment.bytes for segment in kept)
        deleted = 0
        for segment in kept:
            if deleted == STEP:
                break
            if used > keep_bytes or segment.written_at < written_before:
                segment.path.unlink(missing_ok=True)
                used -= segment.bytes
                deleted += 1
        return deleted

    def give_way(self, wanted: int) -> int:
        """Delete the oldest segments until at least `wanted` bytes are free again, at most `STEP` of
        them; return how many bytes that gave, 0 when there is nothing left to give."""
        freed = 0
        for segment in sorted(self._kept(), key=lambda kept: (kept.made, kept.path))[:STEP]:
            if freed >= wanted:
                break
            segment.path.unlink(missing_ok=True)
            freed += segment.bytes
        if freed:
            _log.warning("archive_gave_way", bytes=freed)
        return freed

    def _kept(self) -> list[_Kept]:
        kept: list[_Kept] = []
        try:
            entries = os.scandir(self.directory)
        except FileNotFoundError:
            return kept  # removed by an operator, who may
        with entries:
            for entry in entries:
                if entry.name.endswith((OWN, SEALED)):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    size = max(status.st_blocks * 512, _BLOCK)
                    path = Path(entry.path)
                    kept.append(_Kept(made_at(path), path, size, min(status.st_mtime, time.time())))
        return kept
