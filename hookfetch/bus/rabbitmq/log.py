"""Following the log: a stream that is read by offset, as often as wanted, and never consumed."""

import asyncio

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from pamqp.common import FieldTable

from hookfetch.bus.attempts import Backoff
from hookfetch.bus.memory.log import handle_entry
from hookfetch.bus.rabbitmq.consumer import AmqpConsumer, Deliveries, message_of
from hookfetch.bus.rabbitmq.link import Link
from hookfetch.bus.rabbitmq.topology import LOG, declare_log
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import Handler

_PREFETCH = 100  # entries; a slow follower holds no more


class LogConsumer(AmqpConsumer):
    """Hands one handler every entry, in order, from the oldest kept; a lost connection is taken up
    where the last handled entry ended. One that is slower than the stream is cut goes on from the
    oldest kept entry; entries are numbered, so the handler sees the gap.

    A broker that lost the stream counts its offsets anew, and would silently leave out what is below the
    old one. So a session begins with the entry that was handled last: if that is not there, this is
    another stream, and all of it is read (an entry that is handled again changes nothing).
    """

    def __init__(self, link: Link, handler: Handler, backoff: Backoff, timeout: float) -> None:
        super().__init__(link, LOG)
        self._handler = handler
        self._backoff = backoff
        self._timeout = timeout
        self._last: tuple[int, bytes] | None = None  # the offset and the body of what was handled last
        self.start()

    async def session(self, channel: AbstractChannel) -> None:
        """Read from the next offset on."""
        await channel.set_qos(prefetch_count=_PREFETCH)
        queue = await declare_log(channel)
        deliveries = Deliveries(channel)
        await deliveries.watch()
        arguments: FieldTable = {"x-stream-offset": "first" if self._last is None else self._last[0]}
        await deliveries.consume(queue, arguments)
        if self._last is not None:
            await self._take_up(deliveries, self._last)
        while not self.stop.is_set():
            entry = await self.stop.first(deliveries.next())
            if entry is not None:
                await self._handle(entry)

    async def _take_up(self, deliveries: Deliveries, last: tuple[int, bytes]) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                first = await self.stop.first(deliveries.next())
        except TimeoutError:
            first = None
        if first is None and self.stop.is_set():
            return
        if first is not None and _offset(first) > last[0]:  # the stream was cut meanwhile
            await self._handle(first)
        elif first is None or (_offset(first), first.body) != last:
            self._last = None
            raise Temporary("the broker has another log than before: it is read from its first entry")
        else:
            await first.ack()

    async def _handle(self, entry: AbstractIncomingMessage) -> None:
        await handle_entry(self._handler, message_of(entry), self.stop, self._backoff)
        self._last = _offset(entry), entry.body
        await entry.ack()  # asks for more; a stream keeps what is acknowledged


def _offset(entry: AbstractIncomingMessage) -> int:
    offset = entry.headers["x-stream-offset"]
    assert isinstance(offset, int)
    return offset
