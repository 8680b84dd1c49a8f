"""Dead letters in a quorum queue. They are looked at by taking them all and giving them back, so two
that look at the same time see a part each; nothing is lost by it."""

import asyncio
import time
import uuid
from datetime import datetime

import structlog
from aio_pika import DeliveryMode
from aio_pika import Message as AmqpMessage
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from hookfetch.bus.rabbitmq.link import Link, temporary
from hookfetch.bus.rabbitmq.publisher import Publisher
from hookfetch.bus.rabbitmq.topology import DEAD, DEAD_LIMIT, DELIVERY_LIMIT, PROBE, declare_dead, origin_of
from hookfetch.core.ports import DeadLetter

log = structlog.get_logger(__name__)


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
        async with self._looking, self._link.session() as channel:
            with temporary("reading the dead letters"):
                queue = await declare_dead(channel)
                found: list[DeadLetter] = []
                while len(found) < DEAD_LIMIT and (message := await self._next(queue)):
                    found.append(_load(message))
                return sorted(found, key=lambda letter: letter.failed_at)

    async def take(self, letter_id: str) -> DeadLetter | None:
        """Remove and return the first letter of the message `letter_id`, or None."""
        async with self._looking, self._link.session() as channel:
            with temporary("reading the dead letters"):
                queue = await declare_dead(channel)
                for _ in range(DEAD_LIMIT):
                    message = await self._next(queue)
                    if message is None:
                        break
                    letter = _load(message)
                    if letter.id == letter_id:
                        await message.ack()
                        return letter
                return None

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
    reason = str(table.get("reason", "unknown"))
    return DeadLetter(
        id=message.message_id or "",
        origin=origin_of(str(table.get("queue", ""))),
        reason=f"the broker gave it up: {reason.replace('_', ' ')}",
        attempts=DELIVERY_LIMIT + 1 if reason == "delivery_limit" else 1,
        failed_at=died_at.timestamp() if isinstance(died_at, datetime) else time.time(),
        body=message.body,
    )
