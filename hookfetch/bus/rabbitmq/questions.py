"""Questions on RabbitMQ: a fanout exchange, and a queue of its own for each process that answers. A
question that nobody took within seconds is gone: its asker waits no longer."""

import asyncio

from aio_pika.abc import AbstractChannel

from hookfetch.bus.memory.inbox import handle_reply
from hookfetch.bus.rabbitmq.consumer import AmqpConsumer, Deliveries, message_of
from hookfetch.bus.rabbitmq.link import Link
from hookfetch.bus.rabbitmq.topology import declare_asked
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import Handler

_PREFETCH = 10


class QuestionConsumer(AmqpConsumer):
    """Handles questions one at a time, each at most once; what is asked while the broker is away is
    not heard."""

    def __init__(self, link: Link, handler: Handler) -> None:
        super().__init__(link, "questions")
        self._handler = handler
        self._ready = asyncio.Event()
        self.start()

    async def until_ready(self, timeout: float) -> None:
        """Return once questions are heard; Temporary after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError as error:
            reason = self.interrupted or "it did not answer"
            raise Temporary(f"the broker gave no queue for questions in time: {reason}") from error

    async def session(self, channel: AbstractChannel) -> None:
        """Bind a queue and handle what comes to it."""
        await channel.set_qos(prefetch_count=_PREFETCH)
        queue = await declare_asked(channel)
        deliveries = Deliveries(channel)
        await deliveries.watch()
        await deliveries.consume(queue)
        self._ready.set()
        while not self.stop.is_set():
            question = await self.stop.first(deliveries.next())
            if question is None:
                return
            await question.ack()  # first: a question is handled at most once
            await handle_reply(self._handler, message_of(question))
