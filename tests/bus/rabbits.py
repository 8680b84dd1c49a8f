"""What tests do to a broker behind the bus's back."""

import aio_pika

from hookfetch.bus.rabbitmq.topology import DEAD, DELIVERIES, declare_shared, jobs_queue


async def empty_shared_queues(url: str) -> None:
    """Forget jobs, deliveries and dead letters of earlier tests; their projects have other names."""
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        await declare_shared(channel)
        for name in (DEAD, DELIVERIES, jobs_queue("interactive"), jobs_queue("background")):
            await (await channel.get_queue(name)).purge()


async def delete_queue(url: str, name: str) -> None:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        await channel.queue_delete(name)
