"""Bodies of deliveries that waited elsewhere (on the broker), written to the archive as they are taken.

So they can be looked at and sent again, for as long as this disk lasts. Nothing here is needed to
relay a delivery: a disk that refuses costs the replay, and holds up nothing.
"""

import asyncio
import errno
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, Self

import structlog

from hookfetch.core.delivery import Delivery
from hookfetch.core.kept import Place
from hookfetch.core.ports import Spool, Spooled
from hookfetch.spool.archive import Archive
from hookfetch.spool.record import compress, frame, pack
from hookfetch.spool.writer import SegmentWriter

# At a full disk, the least bytes that older bodies give way by.
GIVE_WAY_BYTES = 16 * 1024 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_log = structlog.get_logger(__name__)


class Elsewhere(Spool, Protocol):
    """A spool that is not on this disk."""

    async def open(self) -> None:
        """Begin."""

    async def close(self) -> None:
        """Give back what is not done."""

    async def check(self) -> None:
        """Return if a delivery could be stored now; Busy otherwise."""


class KeepingSpool:
    """`spool`, with what is taken from it also kept in `archive`, in segments of about `segment_bytes`."""

    def __init__(self, spool: Elsewhere, archive: Archive, segment_bytes: int) -> None:
        self._spool = spool
        self._keeper = _Keeper(archive, segment_bytes)
        self._thread = ThreadPoolExecutor(1, "spool-keep")
        self._taking = asyncio.Lock()
        self._taken: deque[Spooled] = deque()  # and not yet given out
        self._places: dict[tuple[int, int], Place] = {}
        self._failing = False

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the spool; as it raises."""
        await self._spool.open()

    async def close(self) -> None:
        """Close the spool, and leave the segment."""
        await self._spool.close()
        await asyncio.to_thread(self._thread.shutdown)
        self._keeper.close()

    async def append(self, delivery: Delivery) -> None:
        """Append to the spool; as it raises."""
        await self._spool.append(delivery)

    async def check(self) -> None:
        """Ask the spool; as it raises."""
        await self._spool.check()

    async def take(self, limit: int) -> list[Spooled]:
        """Take from the spool, as it raises. Cancelled, it has taken nothing."""
        async with self._taking:
            if not self._taken:
                # Held before they are written: cancelled meanwhile, they are given out by the next call.
                self._taken.extend(await self._spool.take(limit))
                await self._keep(tuple(self._taken))
            return [self._taken.popleft() for _ in range(min(limit, len(self._taken)))]

    async def done(self, taken: Sequence[Spooled]) -> None:
        """Tell the spool; as it raises."""
        for spooled in taken:
            self._places.pop(spooled.position, None)
        await self._spool.done(taken)

    def place(self, spooled: Spooled) -> Place | None:
        """Return where the body of a delivery is that was taken and is not done; None where none is kept."""
        return self._places.get(spooled.position)

    async def turn(self, older_than: float) -> None:
        """End the current segment if it was begun more than `older_than` seconds ago, so that what is in it
        can be forgotten in time."""
        before = time.time_ns() - int(older_than * 1e9)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._keeper.turn, before)

    async def waiting(self, limit: int) -> list[Delivery]:
        """Return what was taken and not yet given out; what waits elsewhere is not seen from here."""
        return [spooled.delivery for spooled in self._taken][:limit]

    async def _keep(self, taken: Sequence[Spooled]) -> None:
        deliveries = [spooled.delivery for spooled in taken]
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._keeper.keep, deliveries)
        try:
            places = await work
        except OSError as error:
            if not self._failing:
                _log.warning("bodies_not_kept", deliveries=len(taken), reason=str(error))
            self._failing = True
            return
        self._failing = False
        self._places.update(zip((spooled.position for spooled in taken), places, strict=True))


class _Keeper:
    """Writes groups of deliveries into the archive, without fsync: they are a convenience. Blocking."""

    def __init__(self, archive: Archive, segment_bytes: int) -> None:
        self._archive = archive
        self._segment_bytes = segment_bytes
        self._fd = -1
        self._writer: SegmentWriter | None = None
        self._path: Path | None = None

    def keep(self, deliveries: Sequence[Delivery]) -> list[Place]:
        """Return where each is now. OSError when the disk refuses, also after older bodies gave way."""
        packed = [pack(delivery) for delivery in deliveries]
        framed = frame(compress(packed))
        try:
            commit = self._open().commit(packed, sys.maxsize, framed)
        except OSError as error:
            self.close()  # the folder may be another one by now
            if error.errno not in _FULL or not self._archive.give_way(max(len(framed), GIVE_WAY_BYTES)):
                raise
            commit = self._open().commit(packed, sys.maxsize, framed)
        assert commit is not None  # there is room for all of it
        self._path = commit.path
        offset = commit.end - len(framed)
        return [
            Place(segment=commit.path.name, offset=offset, ordinal=number) for number in range(len(packed))
        ]

    def turn(self, made_before: int) -> None:
        """Begin a new segment with the next group if the current one was made before that."""
        if self._writer is not None:
            self._writer.turn(made_before)

    def close(self) -> None:
        """Leave the segment as it is."""
        if self._writer is not None:
            self._writer.close()
            self._writer = self._path = None
            os.close(self._fd)

    def _open(self) -> SegmentWriter:
        if self._path is not None and not self._path.exists():
            self.close()  # it may be deleted at any time, and nobody could read what follows
        if self._writer is None:
            self._archive.open()
            self._fd = os.open(self._archive.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._writer = SegmentWriter(
                self._archive.directory,
                self._fd,
                segment_bytes=self._segment_bytes,
                newest=self._archive.newest(),
                sync=lambda _: None,
            )
        return self._writer
