"""One project's messages in-process: in order, one at a time, to the first of its coordinators.
It keeps nothing: a message belongs to its sender until the coordinator has acknowledged it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from hookfetch.bus.attempts import Backoff, attempt, letter_of
from hookfetch.bus.consumer import Consumer
from hookfetch.core.errors import Busy, Temporary
from hookfetch.core.ports import DeadLetter, Handler, Message

log = structlog.get_logger(__name__)

Bury = Callable[[DeadLetter], Awaitable[None]]

_WAITING_LIMIT = 10_000


@dataclass(slots=True)
class _Envelope:
    message: Message
    handled: asyncio.Future[None]


class Lane:
    """The line of senders before a project, and the line of coordinators behind it.

    A sender waits at most `patience` seconds; its message is then withdrawn unless it is being
    handled, in which case its repeat is harmless (by id).
    """

    def __init__(self, project: str, bury: Bury, backoff: Backoff, patience: float) -> None:
        self.project = project
        self.bury = bury
        self.backoff = backoff
        self._patience = patience
        self._waiting: deque[_Envelope] = deque()
        self._line: list[Coordinator] = []
        self._changed = asyncio.Condition()

    async def send(self, message: Message) -> None:
        """Return once the coordinator has handled or buried `message`; Temporary when there is
        none, when it leaves, or when it takes too long; Busy when too many wait."""
        if not self._line:
            raise Temporary(f"{self.project}: no coordinator is running")
        if len(self._waiting) >= _WAITING_LIMIT:
            raise Busy(f"{self.project}: {_WAITING_LIMIT} messages wait for its coordinator")
        envelope = _Envelope(replace(message, attempt=1), asyncio.get_running_loop().create_future())
        self._waiting.append(envelope)
        await self._notify()
        try:
            async with asyncio.timeout(self._patience):
                await envelope.handled
        except TimeoutError as error:
            raise Temporary(f"{self.project}: not acknowledged within {self._patience:g} s") from error

    def join(self, coordinator: "Coordinator") -> None:
        """Put `coordinator` at the end of the line."""
        self._line.append(coordinator)

    async def leave(self, coordinator: "Coordinator") -> None:
        """Take `coordinator` out of the line; without a next one, waiting senders get Temporary."""
        self._line.remove(coordinator)
        if not self._line:
            while self._waiting:
                _refuse(self._waiting.popleft(), Temporary(f"{self.project}: its coordinator left"))
        await self._notify()

    async def until_first(self, coordinator: "Coordinator") -> None:
        """Return once `coordinator` is the first in line."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._line[:1] == [coordinator])

    async def next(self) -> _Envelope:
        """Return the next message, which stays first in the line until `settle`."""
        async with self._changed:
            await self._changed.wait_for(self._drop_withdrawn)
            return self._waiting[0]

    def settle(self, envelope: _Envelope, error: Temporary | None = None) -> None:
        """Take the message out of the line and tell its sender."""
        self._waiting.remove(envelope)
        if error is not None:
            _refuse(envelope, error)
        elif not envelope.handled.done():
            envelope.handled.set_result(None)

    def _drop_withdrawn(self) -> bool:
        while self._waiting and self._waiting[0].handled.done():
            self._waiting.popleft()
        return bool(self._waiting)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _refuse(envelope: _Envelope, error: Temporary) -> None:
    if not envelope.handled.done():
        envelope.handled.set_exception(error)


class Coordinator(Consumer):
    """A consumer of a lane: stands by until it is the first, then handles one message at a time."""

    def __init__(
        self,
        lane: Lane,
        handler: Handler,
        on_active: Callable[[], Awaitable[None]],
        on_passive: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__()
        self._lane = lane
        self._handler = handler
        self._on_active = on_active
        self._on_passive = on_passive
        lane.join(self)
        self.start()

    async def run(self) -> None:
        """Stand by, then handle until `stop`; the next coordinator in line goes on."""
        failures = 0
        try:
            while not self.stop.is_set():
                await self.stop.first(self._lane.until_first(self))
                if self.stop.is_set():
                    return
                if await self._activate():
                    await self._handle_all()
                    if self._on_passive is not None:
                        await self._on_passive()
                    return
                # Another one may be luckier: to the end of the line, and try again after a pause.
                failures += 1
                await self._lane.leave(self)
                self._lane.join(self)
                await self.stop.pause(self._lane.backoff.pause(failures))
        finally:
            await self._lane.leave(self)

    async def _activate(self) -> bool:
        try:
            await self._on_active()
        except Temporary as error:
            log.warning("activation_deferred", project=self._lane.project, reason=str(error))
            return False
        except Exception:
            log.exception("activation_failed", project=self._lane.project)
            return False
        return True

    async def _handle_all(self) -> None:
        while not self.stop.is_set():
            envelope = await self.stop.first(self._lane.next())
            if envelope is not None and not self.stop.is_set():
                await self._handle(envelope)

    async def _handle(self, envelope: _Envelope) -> None:
        outcome = await attempt(self._handler, envelope.message)
        if outcome.kind == "again":
            pause = self._lane.backoff.pause(envelope.message.attempt)
            envelope.message = replace(envelope.message, attempt=envelope.message.attempt + 1)
            await self.stop.pause(pause)
            return
        if outcome.kind == "dead":
            letter = letter_of(envelope.message, f"project:{self._lane.project}", outcome.reason)
            try:
                await self._lane.bury(letter)
            except Temporary as error:
                self._lane.settle(envelope, error)
                return
        self._lane.settle(envelope)
