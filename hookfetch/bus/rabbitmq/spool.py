"""Accepted deliveries on the broker, for ingresses whose disks do not last: `append` returns with the
broker's confirm. What waits at the same moment travels as one message. It parses no payload."""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from hookfetch.bus.rabbitmq.consumer import AmqpConsumer, Deliveries
from hookfetch.bus.rabbitmq.link import Address, Link, temporary
from hookfetch.bus.rabbitmq.publisher import Publisher, amqp_message
from hookfetch.bus.rabbitmq.topology import DELIVERIES, declare_deliveries
from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Busy, Permanent, Temporary
from hookfetch.core.ports import Message, Spooled

Encode = Callable[[Sequence[Delivery]], bytes]
Decode = Callable[[bytes], list[Delivery]]

WAITING_BYTES = 128 * 1024 * 1024  # bodies in memory that no message holds yet
GROUP_BYTES = 1024 * 1024  # bodies in a message, unless one alone is larger
GROUP_MOST = 1000  # deliveries in a message
IN_FLIGHT = 4  # messages that wait for their confirm
CHECK = 1.0  # seconds between answers of `check` that ask the broker
_PREFETCH = 16  # messages
_LARGE = 256 * 1024  # bytes from which a message is compressed and read in a thread

_log = structlog.get_logger(__name__)


class _Waiting(NamedTuple):
    delivery: Delivery
    stored: asyncio.Future[None]


class BrokerSpool:
    """Implements core.ports.Spool on the queue `hookfetch.deliveries`; `encode` and `decode` are the
    bytes that deliveries become.

    Opening needs no broker: while it is away `append` is Busy, after at most `timeout` seconds, and `take`
    waits. Of several processes one at a time is given deliveries, so that their order is kept; what it
    had not done when it ended goes to the next, as repeats.
    """

    def __init__(self, address: Address, timeout: float, encode: Encode, decode: Decode) -> None:
        self._out = Link(address, timeout)
        self._in = Link(address, timeout)
        self._publisher = Publisher(self._out, timeout)
        self._encode = encode
        self._decode = decode
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._senders: set[asyncio.Task[None]] = set()
        self._open = False
        self._taken: _Taken | None = None
        self._check_at = 0.0
        self._check_says: str | None = None

    async def open(self) -> None:
        """Accept deliveries, and ask the broker for them as soon as it is there."""
        self._taken = _Taken(self._in, self._decode)
        self._open = True

    async def close(self) -> None:
        """Refuse what is new, finish what is being appended, and give back what is not done."""
        self._open = False
        while self._senders:
            await asyncio.wait(self._senders)
        if self._taken is not None:
            await self._taken.cancel()
        await self._out.close()
        await self._in.close()

    async def append(self, delivery: Delivery) -> None:
        """Return once the broker has confirmed. Busy when it is away, full or too slow, or this is
        closed: then the delivery was not accepted (though it may come: a repeat is harmless)."""
        if not self._open:
            raise Busy("the spool is closed")
        if self._waiting_bytes >= WAITING_BYTES:
            raise Busy("too much waits for the broker")
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(delivery, stored))
        self._waiting_bytes += len(delivery.body)
        if len(self._senders) < IN_FLIGHT:
            sender = asyncio.create_task(self._send_groups(), name="spool-send")
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        await stored

    async def take(self, limit: int) -> list[Spooled]:
        """Wait for and return the oldest deliveries not yet taken, at most `limit`; Temporary when closed."""
        if not self._open or self._taken is None:
            raise Temporary("the spool is closed")
        return await self._taken.take(limit)

    async def done(self, taken: Sequence[Spooled]) -> None:
        """Acknowledge each message whose deliveries are all done; what the broker misses comes again."""
        if self._taken is not None:
            await self._taken.done(taken)

    async def check(self) -> None:
        """Return if the broker could store a delivery now, Busy with the reason otherwise. Asks it at most
        once in `CHECK` seconds."""
        if not self._open:
            raise Busy("the spool is closed")
        if time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + CHECK
            try:
                await self._publisher.check()
                self._check_says = None
            except Temporary as error:
                self._check_says = str(error)
        if self._check_says is not None:
            raise Busy(self._check_says)

    async def _send_groups(self) -> None:
        while self._waiting:
            group = self._next_group()
            size = sum(len(waiting.delivery.body) for waiting in group)
            try:
                await self._send([waiting.delivery for waiting in group], size)
            except Temporary as error:
                _settle(group, Busy(str(error)))
            except Exception as error:  # noqa: BLE001 (logged; whoever waits for this group must be answered)
                _log.exception("spool_send_failed", deliveries=len(group))
                _settle(group, Busy(f"the spool cannot send: {type(error).__name__}"))
            else:
                _settle(group, None)
            finally:
                self._waiting_bytes -= size

    async def _send(self, deliveries: list[Delivery], size: int) -> None:
        if size < _LARGE:
            body = self._encode(deliveries)
        else:
            body = await asyncio.to_thread(self._encode, deliveries)
        await self._publisher.publish_delivery(amqp_message(Message(id=str(uuid.uuid4()), body=body)))

    def _next_group(self) -> list[_Waiting]:
        group = [self._waiting.popleft()]
        size = len(group[0].delivery.body)
        while self._waiting and len(group) < GROUP_MOST:
            size += len(self._waiting[0].delivery.body)
            if size > GROUP_BYTES:
                break
            group.append(self._waiting.popleft())
        return group


class _Taken(AmqpConsumer):
    """What the broker gave this process, and how much of each message is not done yet.

    A lost session's messages are given again: what is left of them here is forgotten.
    """

    def __init__(self, link: Link, decode: Decode) -> None:
        super().__init__(link, DELIVERIES)
        self._decode = decode
        self._arrived: deque[AbstractIncomingMessage] = deque()
        self._news = asyncio.Event()
        self._read_ahead: deque[Spooled] = deque()
        self._left: dict[int, tuple[AbstractIncomingMessage, set[int]]] = {}  # by number of message
        self._last = 0
        self.start()

    async def session(self, channel: AbstractChannel) -> None:
        """Be given messages until `stop`."""
        await channel.set_qos(prefetch_count=_PREFETCH)
        deliveries = Deliveries(channel)
        await deliveries.watch()
        await deliveries.consume(await declare_deliveries(channel))
        try:
            while (message := await self.stop.first(deliveries.next())) is not None:
                self._arrived.append(message)
                self._news.set()
        finally:
            self._arrived.clear()
            self._read_ahead.clear()
            self._left.clear()

    async def take(self, limit: int) -> list[Spooled]:
        while not self._read_ahead:
            if not self._arrived:
                self._news.clear()
                await self._news.wait()
                continue
            await self._read(self._arrived[0])
        return [self._read_ahead.popleft() for _ in range(min(limit, len(self._read_ahead)))]

    async def _read(self, message: AbstractIncomingMessage) -> None:
        try:
            if len(message.body) < _LARGE:
                found = self._decode(message.body)
            else:
                found = await asyncio.to_thread(self._decode, message.body)
        except Permanent as error:
            _log.error("spooled_message_unreadable", message_id=message.message_id, reason=str(error))
            found = []
        if not self._arrived or self._arrived[0] is not message:
            return  # its session was lost meanwhile
        self._arrived.popleft()
        if not found:
            with self._lost_is_harmless():
                await message.reject(requeue=False)  # to the dead letters
            return
        self._last += 1
        self._left[self._last] = (message, set(range(len(found))))
        self._read_ahead.extend(
            Spooled(position=(self._last, ordinal), delivery=delivery)
            for ordinal, delivery in enumerate(found)
        )

    async def done(self, taken: Sequence[Spooled]) -> None:
        for spooled in taken:
            number, ordinal = spooled.position
            message, left = self._left.get(number, (None, set[int]()))
            left.discard(ordinal)
            if message is not None and not left:
                del self._left[number]
                with self._lost_is_harmless():
                    await message.ack()

    @contextmanager
    def _lost_is_harmless(self) -> Iterator[None]:
        try:
            with temporary(f"settling a message of {DELIVERIES}"):
                yield
        except Temporary as error:
            _log.info("delivery_comes_again", reason=str(error))


def _settle(group: Sequence[_Waiting], error: Busy | None) -> None:
    for _, stored in group:
        if stored.done():
            continue
        if error is None:
            stored.set_result(None)
        else:
            stored.set_exception(error)
