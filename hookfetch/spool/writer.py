"""Appends groups of deliveries to the spool's current segment: one write and one fsync a group.

Blocking and for one thread only. A group that was not written and synced whole is not in
the spool: the file is cut back and left behind, for after a failed fsync the kernel may
report success for pages that it has already dropped.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from hookfetch.spool.record import Packed, compress, frame
from hookfetch.spool.segment import OWN, segment_name

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Commit:
    """A durable group: the segment it is in, that segment's size in bytes, and for each
    delivery whether there was room for it."""

    path: Path
    end: int
    stored: tuple[bool, ...]


class SegmentWriter:
    """Writes segments of about `segment_bytes` in `directory`, opened as `directory_fd`.

    `newest` is the time in the name of the newest segment there is. `sync` makes a file's
    data durable.
    """

    def __init__(
        self,
        directory: Path,
        directory_fd: int,
        *,
        segment_bytes: int,
        newest: int,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self._directory = directory
        self._directory_fd = directory_fd
        self._segment_bytes = segment_bytes
        self._newest = newest
        self._sync = sync
        self._path: Path | None = None
        self._fd = -1
        self._end = 0

    def commit(self, deliveries: Sequence[Packed], room: int, framed: bytes | None = None) -> Commit | None:
        """Make those of `deliveries` durable that fit into `room` bytes, in their order.
        `framed` is what they are together, if that was made already.

        None when none fits. OSError when the disk fails or is full: then none is stored.
        """
        try:
            return self._commit(deliveries, room, framed)
        except BaseException:
            # Whatever went wrong, the caller takes this segment for closed and may delete it.
            self.abandon()
            raise

    def probe(self) -> None:
        """Return if the disk takes a few KiB durably; OSError otherwise."""
        path = self._directory / f".probe-{os.getpid()}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, bytes(4096))
            self._sync(fd)
        finally:
            os.close(fd)
            path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Cut the current segment back to what is durable, and never write to it again."""
        if self._path is None:
            return
        path, self._path = self._path, None
        try:
            if self._end:
                os.ftruncate(self._fd, self._end)
            else:
                path.unlink()
        except OSError as error:
            # What stays behind the end was refused to its sender; read after a restart, it is only a repeat.
            _log.warning("spool_not_cut_back", segment=path.name, offset=self._end, reason=str(error))
        finally:
            os.close(self._fd)

    def turn(self, made_before: int) -> Path | None:
        """Begin a new segment with the next group if the current one was made before `made_before`
        (nanoseconds of Unix time); return the one that ended."""
        path = self._path
        if path is None or self._newest >= made_before:
            return None
        self.close()
        return path

    def close(self) -> None:
        """Leave the current segment as it is."""
        if self._path is not None:
            self._path = None
            os.close(self._fd)

    def _commit(self, deliveries: Sequence[Packed], room: int, framed: bytes | None) -> Commit | None:
        data = frame(compress(deliveries)) if framed is None else framed
        stored = [True] * len(deliveries)
        if len(data) > room:
            data, stored = _what_fits(deliveries, room)
        if not data:
            return None
        path = self._segment()
        self._write(data)
        return Commit(path, self._end, tuple(stored))

    def _segment(self) -> Path:
        if self._path is not None and self._end < self._segment_bytes:
            return self._path
        self.close()
        name = segment_name(self._newest)
        path = self._directory / f"{name}{OWN}"
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._path, self._end, self._newest = path, 0, int(name.partition("-")[0])
        return path

    def _write(self, data: bytes) -> None:
        _write_all(self._fd, data)
        self._sync(self._fd)
        if self._end == 0:
            # A file whose name is not durable is not there after a power failure.
            os.fsync(self._directory_fd)
        self._end += len(data)


def _what_fits(deliveries: Sequence[Packed], room: int) -> tuple[bytes, list[bool]]:
    """Frame each delivery for itself; return the frames that fit into `room`, and which they are."""
    frames: list[bytes] = []
    stored: list[bool] = []
    for delivery in deliveries:
        data = frame(compress([delivery]))
        fits = len(data) <= room
        stored.append(fits)
        if fits:
            frames.append(data)
            room -= len(data)
    return b"".join(frames), stored


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
