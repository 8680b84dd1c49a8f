"""Dead letters in a quorum queue. They are looked at by taking them all and giving them back at
the end. Two that looked at the same time would see a part each, so whoever looks holds a lock: an exclusive
queue, which the broker deletes with the connection of one that died. A letter that is buried meanwhile may
be seen by the next look only, and an operator's own tools know nothing of the lock: nothing is lost by it."""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import ChannelLockedResource
from pamqp.common import FieldTable

from hookfetch.bus.rabbitmq.link import Link, temporary
from hookfetch.bus.rabbitmq.publisher import EARLIER, AmqpMessage, Publisher, persistent
from hookfetch.bus.rabbitmq.topology import DEAD, DEAD_LIMIT, DELIVERY_LIMIT, PROBE, declare_dead, origin_of
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import DeadLetter, Judge, Verdict

log = structlog.get_logger(__name__)

_LOCK = f"{DEAD}.lock"
_LOCK_PAUSE = 0.2  # seconds between two tries for the lock
_AT_ONCE = 1000  # letters that a consumer holds; with `DEAD_LIMIT` at most 20 hold some: see `_Letters`


class Graveyard:
    """The dead letters, both those that were buried and those that the broker gave up on."""

    def __init__(self, link: Link, publisher: Publisher, timeout: float) -> None:
        self._link = link
        self._publisher = publisher
        self._timeout = timeout
        self._looking = asyncio.Lock()

    async def bury(self, letter: DeadLetter) -> None:
        """Return once the broker has the letter; Temporary when it has not, or has too many."""
        await self._publisher.publish(_dump(letter), DEAD)

    async def letters(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first, at most 10,000; they stay."""
        found: list[DeadLetter] = []

        async def collect(letter: DeadLetter) -> Verdict:
            found.append(letter)
            return "keep"

        await self.sift(collect)
        return sorted(found, key=lambda letter: letter.failed_at)

    async def sift(self, judge: Judge) -> None:
        """Ask `judge` about each letter, in the queue's order, at most 10,000, and remove those that it
        says; what `judge` raises goes through, and the letter stays. Temporary when another one looks
        for too long."""
        async with self._looking, self._locked(), self._link.session() as channel:
            letters = _Letters(channel, self._timeout)
            for _ in range(DEAD_LIMIT):
                with temporary("reading the dead letters"):
                    message = await letters.next()
                if message is None:
                    return
                verdict = await judge(letter_in(message))
                if verdict == "stop":
                    return
                if verdict == "remove":
                    with temporary("removing a dead letter"):
                        await message.ack()

    async def take(self, letter_id: str) -> DeadLetter | None:
        """Remove and return the first letter of the message `letter_id`, or None."""
        taken: list[DeadLetter] = []

        async def pick(letter: DeadLetter) -> Verdict:
            if taken:
                return "stop"
            if letter.id != letter_id:
                return "keep"
            taken.append(letter)
            return "remove"

        await self.sift(pick)
        return taken[0] if taken else None

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        deadline = asyncio.get_running_loop().time() + self._timeout
        while True:
            # A refused declaration ends its channel, so each try has one of its own.
            async with self._link.session() as channel:
                try:
                    lock = await channel.declare_queue(_LOCK, exclusive=True, timeout=self._timeout)
                except ChannelLockedResource:
                    lock = None
                if lock is not None:
                    try:
                        yield
                    finally:
                        with temporary("letting the dead letters go"):
                            await lock.delete(if_unused=False, if_empty=False, timeout=self._timeout)
                    return
            if asyncio.get_running_loop().time() > deadline:
                raise Temporary("another command is looking through the dead letters: try again")
            await asyncio.sleep(_LOCK_PAUSE)


class _Letters:
    """The queue's messages one after the other; those that are not acknowledged go back with the channel.

    They come by consumers. RabbitMQ (3.10.8) gives back what more than 32 single gets hold in an order that
    is another one when it starts again after a crash, and then has other messages removed than were
    acknowledged before: some come again, others are lost. What a consumer holds goes back in its order.
    """

    def __init__(self, channel: AbstractChannel, timeout: float) -> None:
        self._channel = channel
        self._timeout = timeout
        self._arrived: deque[AbstractIncomingMessage] = deque()
        self._queue: AbstractQueue | None = None

    async def next(self) -> AbstractIncomingMessage | None:
        """Return the next message, or None at the end."""
        if self._queue is None:
            await self._channel.set_qos(prefetch_count=_AT_ONCE, timeout=self._timeout)
            self._queue = await declare_dead(self._channel)
            await self._queue.consume(self._arrive, timeout=self._timeout)
        while True:
            while self._arrived:
                message = self._arrived.popleft()
                if message.type != PROBE:
                    return message
                await message.ack()  # a coordinator's own; it was handed to too many that died
            more = await self._queue.get(fail=False, timeout=self._timeout)
            if more is not None:  # the consumers hold as many as they may: one more
                self._arrived.append(more)
                await self._queue.consume(self._arrive, timeout=self._timeout)
                continue
            # Answered behind all that was on its way to a consumer.
            await declare_dead(self._channel)
            if not self._arrived:
                return None

    async def _arrive(self, message: AbstractIncomingMessage) -> None:
        self._arrived.append(message)


def _dump(letter: DeadLetter) -> AmqpMessage:
    # The id stands in the headers: a delivery's may be longer than the property allows.
    headers: FieldTable = {
        "id": letter.id,
        "origin": letter.origin,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "failed-at": repr(letter.failed_at),
    }
    return persistent(str(uuid.uuid4()), letter.body, headers)


def letter_in(message: AbstractIncomingMessage) -> DeadLetter:
    """Return the letter in a message of the queue, whatever somebody put there."""
    headers = message.headers
    try:
        return DeadLetter(
            id=str(headers["id"]),
            origin=str(headers["origin"]),
            reason=str(headers["reason"]),
            attempts=int(str(headers["attempts"])),
            failed_at=float(str(headers["failed-at"])),
            body=message.body,
        )
    except (KeyError, ValueError):
        return _given_up(message)


def _given_up(message: AbstractIncomingMessage) -> DeadLetter:
    """Return the letter for a message that is no letter of ours: one that the broker dead-lettered, as its
    consumers died with it."""
    deaths = message.headers.get("x-death")
    death = deaths[0] if isinstance(deaths, list) and deaths else None
    table = death if isinstance(death, dict) else {}
    died_at = table.get("time")
    earlier = message.headers.get(EARLIER, 0)
    reason = str(table.get("reason", "unknown"))
    return DeadLetter(
        id=message.message_id or "",
        origin=origin_of(str(table.get("queue", ""))),
        reason=f"the broker gave it up: {reason.replace('_', ' ')}",
        attempts=(DELIVERY_LIMIT + 1 if reason == "delivery_limit" else 1)
        + (earlier if isinstance(earlier, int) else 0),
        failed_at=died_at.timestamp() if isinstance(died_at, datetime) else time.time(),
        body=message.body,
    )
