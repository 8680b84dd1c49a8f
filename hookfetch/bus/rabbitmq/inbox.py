"""A transient address for replies on RabbitMQ: a queue that goes with its connection."""

import asyncio

from aio_pika.abc import AbstractChannel

from hookfetch.bus.memory.inbox import handle_reply
from hookfetch.bus.rabbitmq.consumer import AmqpConsumer, Deliveries, message_of
from hookfetch.bus.rabbitmq.link import Link
from hookfetch.bus.rabbitmq.topology import declare_inbox
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import Handler

_PREFETCH = 10


class AmqpInbox(AmqpConsumer):
    """Handles replies one at a time, each at most once. The broker names the queue anew when the
    connection was lost: ask for `address` each time, and expect no reply to an older one."""

    def __init__(self, link: Link, handler: Handler) -> None:
        super().__init__(link, "inbox")
        self._handler = handler
        self._address = ""
        self._ready = asyncio.Event()
        self.start()

    @property
    def address(self) -> str:
        """Return what others pass to `publish_reply` now."""
        return self._address

    async def until_ready(self, timeout: float) -> None:
        """Return once there is an address; Temporary after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError as error:
            reason = self.interrupted or "it did not answer"
            raise Temporary(f"the broker gave no inbox in time: {reason}") from error

    async def session(self, channel: AbstractChannel) -> None:
        """Take an address and handle what comes to it."""
        await channel.set_qos(prefetch_count=_PREFETCH)
        queue = await declare_inbox(channel)
        deliveries = Deliveries(channel)
        await deliveries.watch()
        await deliveries.consume(queue)
        self._address = queue.name
        self._ready.set()
        while not self.stop.is_set():
            reply = await self.stop.first(deliveries.next())
            if reply is None:
                return
            await reply.ack()  # first: a reply is handled at most once
            await handle_reply(self._handler, message_of(reply))
