"""Finds originals and keeps them from being given up while they are read. It makes none, and changes nothing
but the time of their last use.
"""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hookfetch.core.errors import Temporary
from hookfetch.originals.folder import Original
from hookfetch.originals.locks import Lock

_WITHIN = 2.0  # seconds for one that is just being tidied: that has it alone for some milliseconds
_THREADS = 8
_CHECKSUM = re.compile(r"[0-9a-f]{64}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of an original: its place, SHA-256 in hexadecimal, bytes, and the Unix time when it came."""

    path: Path
    digest: str
    size: int
    since: float


class Finder:
    """Looks at the disk, in threads of its own: however many ask, nothing else of this process waits for
    them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "originals")

    def close(self) -> None:
        """End the threads when they have done what was asked."""
        self._threads.shutdown(wait=False)

    async def do(self, function: Callable[..., T], *arguments: object) -> T:
        """Return what a function that blocks returns."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    @asynccontextmanager
    async def held(self, originals: Sequence[Original]) -> AsyncIterator[Original | None]:
        """Give the first of `originals` that is there, in use for a `with` block; None: there is none.
        Temporary when it is not free soon."""
        taking = asyncio.ensure_future(self.do(_take, originals))
        try:
            taken = await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(_let_go)  # the thread goes on, and holds it then
            raise
        if taken is None:
            yield None
            return
        original, lock = taken
        with lock:
            yield original


def has_names(mirror: Path) -> bool:
    """Return whether a mirror has a branch or a tag. One without is being filled for the first time: whoever
    asks it would take the upstream for an empty one. Blocks."""
    if (mirror / "packed-refs").exists():
        return True
    return any(files for place in ("heads", "tags") for _, _, files in os.walk(mirror / "refs" / place))


def file_of(folder: Path, digest: str | None) -> KeptFile | None:
    """Return the file with a digest, or else the one that came last; None when there is none. Blocks."""
    found = [kept for name in _names(folder, digest) if (kept := _kept(folder / name)) is not None]
    return max(found, key=lambda kept: (kept.since, kept.digest), default=None)


def _take(originals: Sequence[Original]) -> tuple[Original, Lock] | None:
    for original in originals:
        if not original.content.is_dir():  # before anything is locked, which would make files
            continue
        lock = Lock.take(original.pin, shared=True, until=time.monotonic() + _WITHIN)
        if lock is None:
            raise Temporary(f"the mirror of {original.about()[1]} is being tidied")
        if original.content.is_dir():
            original.touch()
            return original, lock
        lock.close()  # it was given up in between
    return None


def _let_go(taking: "asyncio.Future[tuple[Original, Lock] | None]") -> None:
    if not taking.cancelled() and taking.exception() is None and (taken := taking.result()) is not None:
        taken[1].close()


def _names(folder: Path, digest: str | None) -> list[str]:
    if digest is not None:
        return [digest]
    with os.scandir(folder) as entries:  # beside files there are BuildStream's notes of their ETags
        return [entry.name for entry in entries if _CHECKSUM.fullmatch(entry.name)]


def _kept(path: Path) -> KeptFile | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return KeptFile(path, path.name, status.st_size, status.st_mtime)
