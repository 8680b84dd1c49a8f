"""Becoming a project's coordinator: a new epoch, marked in the log, and a store that says what the log
says. One way for the same disk, none, an older one, one that went its own way, and a broker that is new.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from hookfetch.core.codec import dump_record, load_record
from hookfetch.core.entries import EpochBegan, LogEntry, PauseChanged, Record
from hookfetch.core.errors import Permanent
from hookfetch.core.fencing import Fence
from hookfetch.core.ports import Bus, Message
from hookfetch.store import takeover
from hookfetch.store.database import Database
from hookfetch.store.takeover import Begun, Heard, Mark

_log = structlog.get_logger(__name__)

_BATCH = 1000  # entries stored in one transaction
# Seconds by which the broker's clock and ours may differ. If it is more the log is read from its first
# record, which only takes longer.
_MARGIN = 60.0


async def recover(project: str, database: Database, bus: Bus, clock: Callable[[], float]) -> tuple[str, int]:
    """Begin an epoch and return the log's id and the epoch's number.

    From then on every transaction of `database` is Replaced as soon as another coordinator begins
    one with the same file. Temporary when the bus or the store is not there: nothing was announced.
    """
    database.fence(None)
    began_at = clock()
    begun = await database.run(partial(takeover.begin, now=began_at))
    database.fence(partial(takeover.check, epoch=begun.epoch))
    recovery = _Recovery(project, database, bus, begun)
    heard = None
    if begun.mark is not None and bus.outlives_process:
        heard = await _recover_since(recovery, begun.mark)
    if heard is None:
        heard = await recovery.read(_Reading(begun), None)
    complete = partial(takeover.complete, epoch=begun.epoch, heard=heard, now=began_at)
    settled = await database.run(partial(complete, outlives=bus.outlives_process))
    _log.info(
        "took over",
        project=project,
        epoch=begun.epoch,
        last=heard.last,
        entries_to_publish=settled.published,
        entries_taken_back=settled.taken_back,
        another_store_was_active=heard.foreign,
    )
    return settled.log_id, begun.epoch


async def _recover_since(recovery: "_Recovery", mark: Mark) -> Heard | None:
    """Read what came after this store's last mark; None when the log does not have it any more."""
    reading = _Reading(begun=recovery.begun, skipping=True)
    heard = await recovery.read(reading, mark.at - _MARGIN)
    return None if reading.skipping else heard


@dataclass(slots=True)
class _Reading:
    """What was read so far. While `skipping`, only this store's last mark counts: all before it is known."""

    begun: Begun
    skipping: bool = False
    fence: Fence = field(default_factory=Fence)
    last: int = 0
    void: set[int] = field(default_factory=set)
    foreign: bool = False
    known: bool = False
    pause: PauseChanged | None = None

    def take(self, record: Record) -> LogEntry | None:
        """Return the entry in `record` if it counts and is news."""
        mark = self.begun.mark
        if isinstance(record, EpochBegan) and mark is not None and record.epoch == mark.epoch:
            self.fence, self.void = Fence(record.epoch), set()
            self.skipping, self.known, self.foreign, self.last = False, True, False, mark.last
            return None
        if self.skipping:
            return None
        if isinstance(record, PauseChanged):
            self.pause = record if self.fence.counts(record) else self.pause
            return None
        entry = self.fence.admit(record)
        if isinstance(record, EpochBegan):
            self.foreign |= record.epoch not in self.begun.own
        elif entry is None:
            self.void.add(record.number)
        else:
            self.last, self.known = max(self.last, entry.number), True
        return entry

    @property
    def heard(self) -> Heard:
        """Return what came of it."""
        return Heard(
            last=self.last,
            void=frozenset(self.void),
            foreign=self.foreign,
            known=self.known,
            pause=self.pause,
        )


class _Recovery:
    """Reads the log up to this epoch's mark, and stores what it says on the way."""

    def __init__(self, project: str, database: Database, bus: Bus, begun: Begun) -> None:
        self.begun = begun
        self._project = project
        self._database = database
        self._bus = bus

    async def read(self, reading: _Reading, since: float | None) -> Heard:
        """Return what the log says from about `since` on (Unix seconds; None: from its first record)."""
        began = EpochBegan(project=self._project, epoch=self.begun.epoch)
        mark = Message(id=f"{self._project}/epoch/{began.epoch}", body=dump_record(began))
        batch: list[LogEntry] = []
        async for message in self._bus.recover(self._project, mark, since):
            try:
                entry = reading.take(load_record(message.body))
            except Permanent as error:  # of an older version, or not ours: it counts for no reader
                _log.error("log record passed over", message_id=message.id, reason=str(error))
                continue
            if entry is not None:
                batch.append(entry)
            if len(batch) == _BATCH:
                await self._adopt(batch)
                batch = []
        await self._adopt(batch)
        return reading.heard

    async def _adopt(self, batch: list[LogEntry]) -> None:
        if batch:
            await self._database.run(partial(takeover.adopt, entries=batch, epoch=self.begun.epoch))
