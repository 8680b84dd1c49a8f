"""Group commit: what queued up while the last fsync ran is written next, as one group.

All state changes on the event loop; one thread writes. Memory holds what waits for its write and
what is being written, and both are bounded.
"""

import asyncio
import errno
import functools
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import structlog

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Busy
from hookfetch.spool.archive import Archive
from hookfetch.spool.ledger import GROUP_MOST, Ledger
from hookfetch.spool.record import Packed, compress, frame, pack
from hookfetch.spool.writer import Commit, SegmentWriter

# Bodies in memory before compression: what waits for its write, and what one write takes.
WAITING_BYTES = 128 * 1024 * 1024
GROUP_BYTES = 1024 * 1024
# Bodies in a group, in bytes, up to which it is compressed on the event loop (14 us each 10 KB).
FRAMED_HERE = 1024 * 1024
# How often a full disk makes the archive give way for one group, and the least bytes each time.
GIVE_WAY_TIMES = 8
GIVE_WAY_BYTES = 16 * 1024 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_log = structlog.get_logger(__name__)
T = TypeVar("T")


class _Waiting(NamedTuple):
    delivery: Packed
    stored: asyncio.Future[None]


class GroupCommitter:
    """Appends to what `writer` writes and `ledger` counts, on at most about `max_bytes` of disk;
    `archive` gives way when the disk is full. `stored` is called after each group.

    It works between `start` and `close`.
    """

    def __init__(
        self,
        writer: SegmentWriter,
        ledger: Ledger,
        archive: Archive | None,
        max_bytes: int,
        stored: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._ledger = ledger
        self._archive = archive
        self._max_bytes = max_bytes
        self._stored = stored
        self._thread = ThreadPoolExecutor(1, "spool-write")
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._work = asyncio.Event()
        self._closing = False
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._running = asyncio.create_task(self._commit_groups(), name="spool-commit")

    async def close(self) -> None:
        """Finish what is being appended, and leave the segment."""
        self._closing = True
        self._work.set()
        if self._running is not None:
            await self._running
        self._writer.close()
        await asyncio.to_thread(self._thread.shutdown)

    async def append(self, delivery: Delivery) -> None:
        """Return once `delivery` is on disk (fsync). Busy when there is no room, or the disk fails:
        then it was not accepted."""
        if self._waiting_bytes >= WAITING_BYTES:
            raise Busy("too much waits to be written to the spool")
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Packed here: the writing thread would have to wait for the interpreter to do it.
        self._waiting.append(_Waiting(pack(delivery), stored))
        self._waiting_bytes += len(delivery.body)
        self._work.set()
        await stored

    async def turn(self, older_than: float) -> None:
        """End the current segment if it was begun more than `older_than` seconds ago."""
        ended = await self._in_thread(
            functools.partial(self._writer.turn, time.time_ns() - int(older_than * 1e9))
        )
        if ended is not None:
            self._ledger.sealed(ended)

    async def probe(self) -> None:
        """Return if the disk takes a few KiB durably; OSError otherwise."""
        await self._in_thread(self._writer.probe)

    async def _commit_groups(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                self._work.clear()
                await self._work.wait()
                continue
            await self._commit(self._next_group())

    async def _commit(self, group: list[_Waiting]) -> None:
        room = self._max_bytes - self._ledger.used_bytes
        deliveries = [waiting.delivery for waiting in group]
        try:
            # Framing some ten kilobytes takes less than the writing thread would wait for the interpreter.
            small = sum(len(delivery.body) for delivery in deliveries) < FRAMED_HERE
            framed = frame(compress(deliveries)) if small else None
            write = functools.partial(self._writer.commit, deliveries, room, framed)
            commit = await self._written(write, sum(len(delivery.body) for delivery in deliveries))
        except OSError as error:
            _log.error("spool_write_failed", deliveries=len(group), reason=str(error))
            self._ledger.seal()
            _refuse(group, Busy(f"the spool's disk fails: {error.strerror}"))
        except Exception as error:  # noqa: BLE001 (logged; whoever waits for this group must be answered)
            _log.exception("spool_write_failed", deliveries=len(group))
            self._ledger.seal()
            _refuse(group, Busy(f"the spool cannot write: {type(error).__name__}"))
        else:
            self._settle(group, commit)
        finally:
            self._waiting_bytes -= sum(len(delivery.body) for delivery in deliveries)

    async def _written(self, write: Callable[[], Commit | None], size: int) -> Commit | None:
        for _ in range(GIVE_WAY_TIMES):
            try:
                return await self._in_thread(write)
            except OSError as error:
                # What waits goes before what is only kept.
                if error.errno not in _FULL or not await self._give_way(max(2 * size, GIVE_WAY_BYTES)):
                    raise
                self._ledger.seal()  # the writer has left the segment in which there was no room
        return await self._in_thread(write)

    async def _give_way(self, wanted: int) -> bool:
        if self._archive is None:
            return False
        return await self._in_thread(functools.partial(self._archive.give_way, wanted)) > 0

    def _settle(self, group: list[_Waiting], commit: Commit | None) -> None:
        if commit is None:
            _refuse(group, Busy("the spool is full"))
            return
        self._ledger.grown(commit.path, commit.end)
        self._stored()
        for waiting, stored in zip(group, commit.stored, strict=True):
            if not stored:
                _refuse([waiting], Busy("the spool is full"))
            elif not waiting.stored.done():
                waiting.stored.set_result(None)

    def _next_group(self) -> list[_Waiting]:
        group = [self._waiting.popleft()]
        size = len(group[0].delivery.body)
        while self._waiting and len(group) < GROUP_MOST:
            size += len(self._waiting[0].delivery.body)
            if size > GROUP_BYTES:
                break
            group.append(self._waiting.popleft())
        return group

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _refuse(group: Sequence[_Waiting], error: Busy) -> None:
    for waiting in group:
        if not waiting.stored.done():
            waiting.stored.set_exception(error)
