"""Consumers on RabbitMQ: each lives in sessions, one channel each, and begins another one when its
channel, its queue or the whole broker is lost. What a lost session held, the broker delivers again."""

import asyncio
from abc import abstractmethod

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from pamqp.common import FieldTable

from hookfetch.bus.attempts import Backoff, Outcome, attempt, letter_of
from hookfetch.bus.consumer import Consumer
from hookfetch.bus.rabbitmq.letters import Graveyard
from hookfetch.bus.rabbitmq.link import Link, temporary, why_closed
from hookfetch.bus.rabbitmq.publisher import EARLIER
from hookfetch.bus.rabbitmq.topology import PROBE
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import Handler, Message

log = structlog.get_logger(__name__)

_REDIAL = Backoff(first=0.2, most=5.0)
_STEADY = 10.0  # seconds after which a lost session counts as the first failure again


class Deliveries:
    """What consumers on one channel were given, in order; never more than the channel's prefetch."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._arrived: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()

    async def watch(self) -> None:
        """Notice when the channel closes or the broker ends a consumer (its queue was deleted)."""
        self._channel.close_callbacks.add(self._lost)
        underlay = await self._channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(self._lost)

    async def consume(self, queue: AbstractQueue, arguments: FieldTable | None = None) -> str:
        """Start a consumer and return its tag."""
        return await queue.consume(self._arrive, arguments=arguments)

    async def next(self) -> AbstractIncomingMessage:
        """Return the next message; Temporary when the channel is lost."""
        message = await self._arrived.get()
        if message is None:
            raise Temporary("the channel was lost")
        return message

    def left(self) -> list[AbstractIncomingMessage]:
        """Return what has arrived and was not asked for, without waiting."""
        messages = []
        while not self._arrived.empty():
            message = self._arrived.get_nowait()
            if message is None:
                raise Temporary("the channel was lost")
            messages.append(message)
        return messages

    async def _arrive(self, message: AbstractIncomingMessage) -> None:
        self._arrived.put_nowait(message)

    async def _lost(self, *_: object) -> None:
        self._arrived.put_nowait(None)


class AmqpConsumer(Consumer):
    """A consumer in sessions. `name` is for the log."""

    def __init__(self, link: Link, name: str) -> None:
        super().__init__()
        self._link = link
        self._name = name
        self.interrupted = ""  # why the last session ended, for who waits for the next one

    async def run(self) -> None:
        """Hold one session after the other until `stop`."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while not self.stop.is_set():
            began = clock()
            closed = _Closed()
            try:
                with temporary(self._name):
                    async with self._link.session() as channel:
                        channel.close_callbacks.add(closed)
                        await self.session(channel)
            except Temporary as error:
                failures = 1 if clock() - began > _STEADY else failures + 1
                tell = log.warning if failures == 1 else log.info  # an outage is one warning each
                self.interrupted = closed.reason or str(error)
                tell("consumer_interrupted", consumer=self._name, reason=self.interrupted)
                await self.stop.pause(_REDIAL.pause(failures))

    @abstractmethod
    async def session(self, channel: AbstractChannel) -> None:
        """Declare, consume and handle on `channel` until `stop`; any error begins a new session."""


class _Closed:
    """Why the broker closed a session's channel, if it did: who uses it later hears only that it is shut."""

    def __init__(self) -> None:
        self.reason = ""

    async def __call__(self, _: object, error: BaseException | None) -> None:
        self.reason = why_closed(error)


class Settling:
    """Runs a handler on a broker's message and settles it: acknowledged, given back or buried."""

    def __init__(self, handler: Handler, graveyard: Graveyard, backoff: Backoff, origin: str) -> None:
        self._handler = handler
        self._graveyard = graveyard
        self._backoff = backoff
        self._origin = origin

    async def handle(self, delivered: AbstractIncomingMessage, consumer: Consumer) -> None:
        """Handle `delivered`. It is held during the pause before it goes back, so that a queue keeps
        its order (the broker puts it first again); `consumer` ending cuts the pause short."""
        message = message_of(delivered)
        outcome = await attempt(self._handler, message)
        if outcome.kind == "dead" and not await self._bury(message, outcome):
            outcome = Outcome(kind="again", reason=outcome.reason)
        if outcome.kind == "again":
            await consumer.stop.pause(self._backoff.pause(message.attempt))
            await delivered.nack(requeue=True)
        else:
            await delivered.ack()

    async def _bury(self, message: Message, outcome: Outcome) -> bool:
        try:
            await self._graveyard.bury(letter_of(message, self._origin, outcome.reason))
        except Temporary as error:
            log.warning("message_not_buried", message_id=message.id, reason=str(error))
            return False
        return True


def message_of(delivered: AbstractIncomingMessage) -> Message:
    """Return a broker's message as ours; quorum queues count the deliveries before this one."""
    before = delivered.headers.get("x-delivery-count", 0)
    earlier = delivered.headers.get(EARLIER, 0)
    return Message(
        id=delivered.message_id or "",
        body=delivered.body,
        attempt=1 + (before if isinstance(before, int) else 0),
        earlier=earlier if isinstance(earlier, int) else 0,
    )


def is_probe(delivered: AbstractIncomingMessage) -> bool:
    """Return whether a message only wakes a coordinator and is for no handler."""
    return delivered.type == PROBE
