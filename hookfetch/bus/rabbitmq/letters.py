"""Dead letters in a quorum queue. They are looked at by taking them one by one and giving them back at
the end. Two that looked at the same time would see a part each, so whoever looks holds a lock: an exclusive
queue, which the broker deletes with the connection of one that died. A letter that is buried meanwhile may
be seen by the next look only, and an operator's own tools know nothing of the lock: nothing is lost by it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import structlog
from aio_pika import DeliveryMode
from aio_pika import Message as AmqpMessage
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import ChannelLockedResource

from hookfetch.bus.rabbitmq.link import Link, temporary
from hookfetch.bus.rabbitmq.publisher import EARLIER, Publisher
from hookfetch.bus.rabbitmq.topology import DEAD, DEAD_LIMIT, DELIVERY_LIMIT, PROBE, declare_dead, origin_of
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import DeadLetter, Judge, Verdict

log = structlog.get_logger(__name__)

_LOCK = f"{DEAD}.lock"
_LOCK_PAUSE = 0.2  # seconds between two tries for the lock


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
            with temporary("reading the dead letters"):
                queue = await declare_dead(channel)
            for _ in range(DEAD_LIMIT):
                with temporary("reading the dead letters"):
                    message = await self._next(queue)
                if message is None:
                    return
                verdict = await judge(_load(message))
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

    async def _next(self, queue: AbstractQueue) -> AbstractIncomingMessage | None:
        while True:
            message = await queue.get(fail=False, timeout=self._timeout)
            if message is None or message.type != PROBE:
                return message
            await message.ack()  # a coordinator's own; it was handed to too many that died


def _dump(letter: DeadLetter) -> AmqpMessage:
    # The id stands in the headers: a delivery's may be longer than the property allows.
    return AmqpMessage(
        letter.body,
        message_id=str(uuid.uuid4()),
        delivery_mode=DeliveryMode.PERSISTENT,
        headers={
            "id": letter.id,
            "origin": letter.origin,
            "reason": letter.reason,
            "attempts": letter.attempts,
            "failed-at": repr(letter.failed_at),
        },
    )


def _load(message: AbstractIncomingMessage) -> DeadLetter:
    headers = message.headers
    if "origin" in headers:
        return DeadLetter(
            id=str(headers["id"]),
            origin=str(headers["origin"]),
            reason=str(headers["reason"]),
            attempts=int(str(headers["attempts"])),
            failed_at=float(str(headers["failed-at"])),
            body=message.body,
        )
    return _given_up(message)


def _given_up(message: AbstractIncomingMessage) -> DeadLetter:
    """Return the letter for a message that the broker dead-lettered: its consumers died with it."""
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
