"""Working on jobs from two queues, interactive ones first.

Each of a worker's `concurrency` slots asks for a job only while it is free: it gets from the
interactive queue, then from the background queue, and only when both are empty it consumes both,
until one job comes. So an interactive job that waits at the broker always wins, no slot holds more than
one job, and the broker's consumer time-out (30 minutes) measures one job, with its wait for a process where
the engine looks ahead for it.
"""

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from hookfetch.bus.rabbitmq.consumer import AmqpConsumer, Deliveries, Settling
from hookfetch.bus.rabbitmq.link import Link
from hookfetch.bus.rabbitmq.topology import declare_jobs

log = structlog.get_logger(__name__)


class WorkConsumer(AmqpConsumer):
    """A worker of `concurrency` slots, each with a channel of its own."""

    def __init__(self, link: Link, settling: Settling, concurrency: int, timeout: float) -> None:
        super().__init__(link, "hookfetch.jobs")
        self._settling = settling
        self._timeout = timeout
        self.start(concurrency)

    async def session(self, channel: AbstractChannel) -> None:
        """Be one slot: ask, handle, ask again."""
        await channel.set_qos(prefetch_count=1)
        queues = (await declare_jobs(channel, "interactive"), await declare_jobs(channel, "background"))
        deliveries = Deliveries(channel)
        await deliveries.watch()
        while not self.stop.is_set():
            job = await self._get(*queues) or await self._wait(deliveries, *queues)
            if job is not None:
                await self._settling.handle(job, self)

    async def _get(self, *queues: AbstractQueue) -> AbstractIncomingMessage | None:
        for queue in queues:
            job = await queue.get(fail=False, timeout=self._timeout)
            if job is not None:
                return job
        return None

    async def _wait(self, deliveries: Deliveries, *queues: AbstractQueue) -> AbstractIncomingMessage | None:
        tags = [(queue, await deliveries.consume(queue)) for queue in queues]
        job = await self.stop.first(deliveries.next())
        for queue, tag in tags:
            await queue.cancel(tag, timeout=self._timeout)
        for late in deliveries.left():  # came before the cancel: any free slot may have it
            await late.nack(requeue=True)
        return job
