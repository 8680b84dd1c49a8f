"""The spool as the ingress sees it: `append` is durable when it returns, `take` reads it back.

All state changes on the event loop; one thread writes (`committing.py`), another reads and deletes. Memory
holds what is being written and positions; deliveries that wait are on disk only. It never opens a
segment that another process writes, and deletes none that is not done.
"""

import asyncio
import functools
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Busy, Temporary
from hookfetch.core.kept import Place
from hookfetch.core.ports import Spooled
from hookfetch.spool.archive import Archive
from hookfetch.spool.committing import GroupCommitter
from hookfetch.spool.disk import lock, read_stretches, recover, save_positions
from hookfetch.spool.ledger import Ledger
from hookfetch.spool.segment import SEALED, segment_files
from hookfetch.spool.writer import SegmentWriter

SEGMENT_BYTES = 16 * 1024 * 1024
# A spool with less room than this says that it is not ready.
READY_BYTES = 64 * 1024
# Seconds between looks for segments from outside, and between answers of `check` that ask the disk.
RESCAN = 1.0
CHECK = 1.0

T = TypeVar("T")


class SegmentSpool:
    """Implements core.ports.Spool in `directory`, on at most about `max_bytes` of disk.

    What is done goes to `archive`, whose bytes count there, and which gives way when the disk is
    full; without one it is deleted.

    Call `open` before and `close` after, on the loop that uses it, or use `async with`.
    """

    def __init__(self, directory: Path, max_bytes: int, archive: Archive | None = None) -> None:
        self._directory = directory
        self._archive = archive
        self._max_bytes = max_bytes
        self._ledger = Ledger()
        self._directory_fd = -1
        self._committer: GroupCommitter | None = None
        self._read_thread = ThreadPoolExecutor(1, "spool-read")
        self._arrived = asyncio.Event()
        self._taking = asyncio.Lock()
        self._read_ahead: deque[Spooled] = deque()  # the rest of a group, which is read as a whole
        self._rescan_at = 0.0
        self._check_at = 0.0
        self._check_says: str | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Become the directory's owner and find what is not done. Temporary when another
        process owns it or the disk fails."""
        try:
            self._directory_fd = await self._in_thread(functools.partial(lock, self._directory))
            found = await self._in_thread(functools.partial(recover, self._directory, self._archive))
        except OSError as error:
            self._release()
            raise Temporary(f"{self._directory}: cannot open the spool: {error}") from error
        for segment in found.segments:
            self._ledger.add(segment.path, end=segment.end, read=segment.start, crashed=segment.crashed)
        self._ledger.used_bytes += found.damaged
        writer = SegmentWriter(
            self._directory,
            self._directory_fd,
            # A quarter of the limit at most: done segments give their space back one by one.
            segment_bytes=min(SEGMENT_BYTES, max(self._max_bytes // 4, 1)),
            newest=found.newest,
        )
        self._committer = GroupCommitter(
            writer, self._ledger, self._archive, self._max_bytes, self._arrived.set
        )
        self._committer.start()

    async def close(self) -> None:
        """Finish what is being appended, refuse the rest, and give the directory up."""
        committer, self._committer = self._committer, None
        if committer is not None:
            await committer.close()
            self._ledger.seal()
            await self._save({})
        await asyncio.to_thread(self._read_thread.shutdown)
        self._release()

    async def append(self, delivery: Delivery) -> None:
        """Return once `delivery` is on disk (fsync). Busy when the spool is full or closed,
        or the disk fails: then it was not accepted."""
        if self._committer is None:
            raise Busy("the spool is closed")
        await self._committer.append(delivery)

    async def take(self, limit: int) -> list[Spooled]:
        """Wait for and return the oldest deliveries not yet taken: at least one, at most
        `limit`, and about `TAKE_BYTES` of bodies. Temporary when the disk fails or the spool
        is closed. Cancelled, it has taken nothing."""
        async with self._taking:
            while not self._read_ahead:
                await self._rescan()
                stretches = list(self._ledger.unread())
                if not stretches:
                    await self._wait_for_arrival()
                    continue
                readings = await self._read(functools.partial(read_stretches, stretches, limit))
                # Nothing is awaited from here on, so that what is noted as taken is also returned.
                self._read_ahead.extend(self._ledger.taken(readings))
            return [self._read_ahead.popleft() for _ in range(min(limit, len(self._read_ahead)))]

    async def done(self, taken: Sequence[Spooled]) -> None:
        """Forget deliveries. Space comes back when a whole segment is done. That they are
        done is forgotten by a crash or a closed spool; a disk that fails here is logged."""
        offsets = self._ledger.done(taken)
        if self._committer is not None:
            await self._save(offsets)

    def place(self, spooled: Spooled) -> Place | None:
        """Return where a delivery is that was taken and is not done; None for any other."""
        return self._ledger.place(spooled.position)

    async def turn(self, older_than: float) -> None:
        """End the current segment if it was begun more than `older_than` seconds ago, so that it can
        leave the spool once it is done."""
        if self._committer is not None:
            await self._committer.turn(older_than)
            await self._save({})

    async def waiting(self, limit: int) -> list[Delivery]:
        """Return the oldest deliveries not yet taken, at most `limit` and about `TAKE_BYTES` of bodies;
        they stay. Temporary when the disk fails or the spool is closed."""
        ahead = [spooled.delivery for spooled in list(self._read_ahead)[:limit]]
        stretches = list(self._ledger.unread())
        if len(ahead) >= limit or not stretches:
            return ahead
        readings = await self._read(functools.partial(read_stretches, stretches, limit - len(ahead)))
        groups = (group for _, reading in readings for _, group in reading.groups)
        return [*ahead, *(delivery for group in groups for delivery in group)][:limit]

    async def check(self) -> None:
        """Return if a delivery could be stored now, Busy with the reason otherwise. Asks the
        disk at most once in `CHECK` seconds."""
        if self._committer is None:
            raise Busy("the spool is closed")
        if self._max_bytes - self._ledger.used_bytes < min(READY_BYTES, self._max_bytes // 8):
            raise Busy("the spool is full")
        if time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + CHECK
            try:
                await self._committer.probe()
                self._check_says = None
            except OSError as error:
                self._check_says = f"the spool's disk fails: {error.strerror}"
        if self._check_says is not None:
            raise Busy(self._check_says)

    async def _rescan(self) -> None:
        if time.monotonic() < self._rescan_at:
            return
        for path, size in await self._read(functools.partial(segment_files, self._directory, (SEALED,))):
            if not self._ledger.knows(path):
                self._ledger.add(path, end=size)
        self._rescan_at = time.monotonic() + RESCAN

    async def _wait_for_arrival(self) -> None:
        self._arrived.clear()
        try:
            async with asyncio.timeout(RESCAN):
                await self._arrived.wait()
        except TimeoutError:
            return  # time to look for segments from outside

    async def _save(self, offsets: dict[Path, int]) -> None:
        finished = self._ledger.finished()
        for path in finished:
            offsets.pop(path, None)
        if not offsets and not finished:
            return
        save = functools.partial(save_positions, offsets, finished, self._archive)
        # Out of the books only once it is off the disk: a look for segments from outside that
        # ran before the deletion must still know it.
        for path in await self._in_thread(save):
            self._ledger.forget(path)

    async def _read(self, work: Callable[[], T]) -> T:
        if self._committer is None:
            raise Temporary("the spool is closed")
        try:
            return await self._in_thread(work)
        except OSError as error:
            raise Temporary(f"the spool cannot be read: {error}") from error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._read_thread, work)

    def _release(self) -> None:
        if self._directory_fd >= 0:
            os.close(self._directory_fd)
            self._directory_fd = -1
