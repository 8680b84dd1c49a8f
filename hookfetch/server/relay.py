"""From the spool to the bus: parse each delivery, publish its facts, then forget it.

A delivery leaves the spool only when the bus has its facts or its dead letter. Facts of one
repository are published in the order in which their deliveries arrived; others overtake. It
decides nothing about what follows from a fact. What became of a delivery is noted before it leaves the
spool: a crash in between brings it again, and it is noted once.
"""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from hookfetch.core.codec import dump_event
from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Rejected, Temporary
from hookfetch.core.events import Pinged, UpstreamFact
from hookfetch.core.kept import DeliveryRecord, Outcome, Place
from hookfetch.core.ports import Bus, DeadLetter, Forge, Message, Spool, Spooled
from hookfetch.core.repository import RepositoryId, routing_key
from hookfetch.server.relayed import Ended, record_of, why_nothing
from hookfetch.spool.record import encode_delivery

# Deliveries, and bytes of their bodies, on their way at once.
WINDOW = 256
WINDOW_BYTES = 64 * 1024 * 1024
# Bytes from which a body is parsed in a thread: the loop goes on between the decoder's steps.
LARGE_BODY = 256 * 1024
# Seconds of parsing after which the loop has a turn: many in a row must not keep the door waiting.
PARSING = 0.001
# Seconds between attempts: from the first doubled up to the most.
FIRST_PAUSE = 0.1
MOST_PAUSE = 5.0
_REASON = 500  # characters

_log = structlog.get_logger(__name__)
T = TypeVar("T")


class Book(Protocol):
    """Where it is noted what became of deliveries."""

    async def note(self, records: Sequence[DeliveryRecord]) -> None:
        """Keep `records`; Temporary when that cannot be."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a delivery said: the facts to publish, or why there are none."""

    facts: Sequence[UpstreamFact]
    nothing: str | None = None


class Relay:
    """Takes from `spool`, parses with the forge of the delivery's hook, publishes on `bus`.

    `book` notes what became of each, with its `place` in the spool if its body is kept. `clock`
    gives Unix seconds.
    """

    def __init__(
        self,
        spool: Spool,
        forges_by_hook: Mapping[str, Forge],
        bus: Bus,
        *,
        book: Book | None = None,
        place: Callable[[Spooled], Place | None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._spool = spool
        self._forges = forges_by_hook
        self._bus = bus
        self._book = book
        self._place = place
        self._clock = clock
        self._waits: dict[str, str] = {}  # what is away, and its last error
        self._held: dict[tuple[int, int], Spooled] = {}  # taken and not yet done, oldest first
        self._held_bytes = 0  # of their bodies
        self._ended: list[Ended] = []
        self._some_ended = asyncio.Event()
        self._some_done = asyncio.Event()
        self._last: dict[RepositoryId, asyncio.Task[None]] = {}
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; the spool must be open."""
        self._running = asyncio.create_task(self.run(), name="relay")

    async def stop(self) -> None:
        """End where it stands; what was not published whole is relayed again after the next start."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running])
            await self._forget_ended()

    def held(self) -> Sequence[Delivery]:
        """Return what was taken from the spool and is not done, oldest first."""
        return [spooled.delivery for spooled in self._held.values()]

    @property
    def waits_for(self) -> str | None:
        """Return why deliveries wait: the last error of the bus or the spool; None while all is well."""
        return next(iter(self._waits.values()), None)

    async def run(self) -> None:
        """Relay until cancelled. Run again, it goes on with what it held."""
        while True:
            try:
                await self._relay_all()
            except Exception:  # noqa: BLE001 (logged; deliveries must go on, and nothing that is held is lost)
                _log.exception("relay_failed", held=len(self._held))
                await asyncio.sleep(MOST_PAUSE)

    async def _relay_all(self) -> None:
        self._ended.clear()
        self._last.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._acknowledge())
            await self._begin_all(list(self._held.values()), tasks)
            while True:
                await self._begin_all(await self._take(), tasks)

    async def _take(self) -> list[Spooled]:
        while len(self._held) >= WINDOW or self._held_bytes >= WINDOW_BYTES:
            self._some_done.clear()
            await self._some_done.wait()
        room = WINDOW - len(self._held)
        taken = await self._insist(lambda: self._spool.take(room), "spool_waits", None)
        # Before anything is awaited: the spool will not give these again.
        for spooled in taken:
            self._held[spooled.position] = spooled
            self._held_bytes += len(spooled.delivery.body)
        return taken

    async def _begin_all(self, taken: Sequence[Spooled], tasks: asyncio.TaskGroup) -> None:
        until = time.monotonic() + PARSING
        for spooled in taken:
            await self._begin(spooled, tasks)
            if time.monotonic() >= until:
                await asyncio.sleep(0)
                until = time.monotonic() + PARSING

    async def _begin(self, spooled: Spooled, tasks: asyncio.TaskGroup) -> None:
        """Parse, one delivery after the other, and leave the publishing to a task of its own."""
        if len(spooled.delivery.body) < LARGE_BODY:
            found = self._judge(spooled)
        else:
            found = await asyncio.to_thread(self._judge, spooled)
        if isinstance(found, DeadLetter):
            tasks.create_task(self._bury(spooled, found))
            return
        names = {name for fact in found.facts for name in fact.repositories}
        earlier = {self._last[name] for name in names if name in self._last}
        task = tasks.create_task(self._publish(spooled, found, earlier))
        self._last.update(dict.fromkeys(names, task))
        task.add_done_callback(lambda ended: self._leave_line(names, ended))

    def _leave_line(self, names: set[RepositoryId], ended: asyncio.Task[None]) -> None:
        for name in names:
            if self._last.get(name) is ended:
                del self._last[name]

    def _judge(self, spooled: Spooled) -> _Told | DeadLetter:
        delivery = spooled.delivery
        forge = self._forges.get(delivery.hook)
        if forge is None:
            return self._letter(spooled, f"the hook {delivery.hook!r} is no longer configured")
        try:
            facts = forge.parse(delivery)
        except Rejected as rejected:
            return self._letter(spooled, f"{rejected.code}: {rejected.reason}")
        except Exception as error:  # noqa: BLE001 (a parser's bug: logged, and kept for a replay after its fix)
            _log.exception("parse_failed", delivery_id=delivery.id)
            return self._letter(spooled, f"{type(error).__name__}: {error}")
        # A fact that names no repository concerns no project.
        told = [fact for fact in facts if fact.repositories and not isinstance(fact, Pinged)]
        return _Told(told, None if told else why_nothing(facts))

    def _letter(self, spooled: Spooled, reason: str) -> DeadLetter:
        return DeadLetter(
            id=spooled.delivery.id,
            origin="delivery",
            reason=" ".join(reason.split())[:_REASON],
            attempts=spooled.delivery.attempts + 1,
            failed_at=self._clock(),
            body=encode_delivery(spooled.delivery),
        )

    async def _publish(self, spooled: Spooled, told: _Told, earlier: set[asyncio.Task[None]]) -> None:
        delivery_id = spooled.delivery.id
        if earlier:
            await asyncio.wait(earlier)
        try:
            for fact in told.facts:
                keys = [routing_key(name) for name in fact.repositories]
                message = Message(id=fact.id, body=dump_event(fact))
                publish = functools.partial(self._bus.publish_fact, keys, message)
                await self._insist(publish, "bus_waits", delivery_id)
        except Exception as error:  # noqa: BLE001 (logged, and kept with its reason)
            _log.exception("publish_failed", delivery_id=delivery_id)
            await self._bury(spooled, self._letter(spooled, f"{type(error).__name__}: {error}"))
            return
        _log.info("relayed", delivery_id=delivery_id, facts=len(told.facts))
        self._end(spooled, "nothing" if told.nothing else "relayed", told.nothing, told.facts)

    async def _bury(self, spooled: Spooled, letter: DeadLetter) -> None:
        # Whatever goes wrong here: there is nowhere else to put it.
        bury = functools.partial(self._bus.bury, letter)
        await self._insist(bury, "bus_waits", letter.id, errors=Exception)
        _log.warning("buried", delivery_id=letter.id, reason=letter.reason)
        self._end(spooled, "dead", letter.reason, [])

    def _end(
        self, spooled: Spooled, outcome: Outcome, reason: str | None, facts: Sequence[UpstreamFact]
    ) -> None:
        self._ended.append(Ended(spooled, outcome, reason, facts, self._clock()))
        self._some_ended.set()

    async def _acknowledge(self) -> None:
        while True:
            await self._some_ended.wait()
            await self._forget_ended()

    async def _forget_ended(self) -> None:
        self._some_ended.clear()
        ended, self._ended = self._ended, []
        await self._note(ended)
        await self._spool.done([each.spooled for each in ended])
        for each in ended:
            if self._held.pop(each.spooled.position, None) is not None:
                self._held_bytes -= len(each.spooled.delivery.body)
        self._some_done.set()

    async def _note(self, ended: Sequence[Ended]) -> None:
        if self._book is None or not ended:
            return
        try:
            place = self._place or (lambda _: None)
            await self._book.note([record_of(each, place(each.spooled)) for each in ended])
        except Exception as error:  # noqa: BLE001 (logged: a list that lacks a line holds up no delivery)
            _log.error("not_noted", deliveries=len(ended), reason=f"{type(error).__name__}: {error}")

    async def _insist(
        self,
        action: Callable[[], Awaitable[T]],
        waits: str,
        delivery_id: str | None,
        *,
        errors: type[Exception] = Temporary,
    ) -> T:
        """Return what `action` returns, however often it raises `errors`; the first is logged as `waits`."""
        pause = FIRST_PAUSE
        while True:
            try:
                result = await action()
            except errors as error:
                if pause == FIRST_PAUSE:
                    _log.warning(waits, delivery_id=delivery_id, reason=str(error))
                self._waits[waits] = " ".join(str(error).split())[:_REASON]
                await asyncio.sleep(pause)
                pause = min(2 * pause, MOST_PAUSE)
            else:
                self._waits.pop(waits, None)
                return result
