"""Following the log: a stream that is read by offset, as often as wanted, and never consumed."""

from aio_pika.abc import AbstractChannel
from pamqp.common import FieldTable

from hookfetch.bus.attempts import Backoff
from hookfetch.bus.memory.log import handle_entry
from hookfetch.bus.rabbitmq.consumer import AmqpConsumer, Deliveries, message_of
from hookfetch.bus.rabbitmq.link import Link
from hookfetch.bus.rabbitmq.topology import LOG, declare_log
from hookfetch.core.ports import Handler

_PREFETCH = 100  # entries; a slow follower holds no more


class LogConsumer(AmqpConsumer):
    """Hands one handler every entry, in order, from the oldest kept; a lost connection is taken up
    where the last handled entry ended. One that is slower than the stream is cut goes on from the
    oldest kept entry; entries are numbered, so the handler sees the gap."""

    def __init__(self, link: Link, handler: Handler, backoff: Backoff) -> None:
        super().__init__(link, LOG)
        self._handler = handler
        self._backoff = backoff
        self._offset: int | str = "first"
        self.start()

    async def session(self, channel: AbstractChannel) -> None:
        """Read from the next offset on."""
        await channel.set_qos(prefetch_count=_PREFETCH)
        queue = await declare_log(channel)
        deliveries = Deliveries(channel)
        await deliveries.watch()
        arguments: FieldTable = {"x-stream-offset": self._offset}
        await deliveries.consume(queue, arguments)
        while not self.stop.is_set():
            entry = await self.stop.first(deliveries.next())
            if entry is None:
                return
            await handle_entry(self._handler, message_of(entry), self.stop, self._backoff)
            offset = entry.headers["x-stream-offset"]
            assert isinstance(offset, int)
            self._offset = offset + 1
            await entry.ack()  # asks for more; a stream keeps what is acknowledged
