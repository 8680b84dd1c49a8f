"""Locks between processes: flock(2) on a file beside what is locked. Whoever holds one and dies, frees it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

_LEAST_PAUSE, _MOST_PAUSE = 0.001, 0.05  # seconds between two tries
_MOST_MARKS = 64 * 1024  # bytes


class Lock:
    """A held lock on `path`, until closed. It may be turned into what others may hold too, or be removed."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, *, shared: bool, until: float) -> Self | None:
        """Return the lock, or None if it does not come free `until` that monotonic time. Blocks."""
        pause = _LEAST_PAUSE
        while True:
            lock = cls.try_now(path, shared=shared)
            if lock is not None:
                return lock
            left = until - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(pause, left))
            pause = min(2 * pause, _MOST_PAUSE)

    @classmethod
    def try_now(cls, path: Path, *, shared: bool) -> Self | None:
        """Return the lock, or None if somebody else has it."""
        while True:
            descriptor = _opened(path)
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                if _is_at(path, descriptor):
                    return cls(path, descriptor)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # its file was removed in between

    @contextmanager
    def marked(self, mark: str = "1") -> Iterator[list[str]]:
        """Leave a mark, one word, for the time of a `with` block; it stays if this process dies in it. Give
        those that were there: one for each that died. Only for a lock that nobody shares."""
        size = os.fstat(self._descriptor).st_size
        found = os.pread(self._descriptor, _MOST_MARKS, 0).decode("ascii", "replace").split()
        if size < _MOST_MARKS:
            os.pwrite(self._descriptor, f"{mark}\n".encode("ascii"), size)
        try:
            yield found
        finally:
            os.ftruncate(self._descriptor, 0)

    def share(self) -> None:
        """Let others hold it too, beside this one."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def remove(self) -> None:
        """Remove the file: who waits for it takes a new one."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let it go."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:  # the first lock in its folder
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o600)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
