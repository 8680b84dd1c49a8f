"""What a coordinator does with the log when it becomes the active one: it leaves its mark, and reads.

The mark goes by the very channel by which it is the active consumer. Who was frozen or cut off has
lost that channel before the broker makes another one active, so a late mark cannot void its records.
(For as long as it takes, a broker short of memory then holds up that connection too.)
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from aio_pika.abc import AbstractChannel
from pamqp.common import FieldTable

from hookfetch.bus.rabbitmq.consumer import Deliveries, message_of
from hookfetch.bus.rabbitmq.link import Link, temporary
from hookfetch.bus.rabbitmq.publisher import amqp_message
from hookfetch.bus.rabbitmq.topology import LOG, declare_log
from hookfetch.core.ports import Message

_PREFETCH = 2000
_ACKNOWLEDGED = 500  # at once


async def append_mark(channel: AbstractChannel, mark: Message, timeout: float) -> None:
    """Append `mark` to the log; Temporary when it is not confirmed within `timeout` seconds."""
    with temporary("marking the log"):
        async with asyncio.timeout(timeout):
            await declare_log(channel)
            await channel.default_exchange.publish(amqp_message(mark), LOG)


async def records_before(
    link: Link, project: str, mark: Message, since: float | None, timeout: float
) -> AsyncIterator[Message]:
    """Yield the project's records from about `since` to `mark`, which is in the log; Temporary when the
    next one does not come within `timeout` seconds."""
    offset = "first" if since is None else datetime.fromtimestamp(max(since, 0.0), UTC)
    arguments: FieldTable = {"x-stream-offset": offset}
    with temporary("reading the log"):
        async with link.session() as channel:
            await channel.set_qos(prefetch_count=_PREFETCH)
            deliveries = Deliveries(channel)
            await deliveries.watch()
            await deliveries.consume(await declare_log(channel), arguments)
            count = 0
            while True:
                async with asyncio.timeout(timeout):
                    record = await deliveries.next()
                count += 1
                if count % _ACKNOWLEDGED == 0:
                    await record.ack(multiple=True)
                message = message_of(record)
                if message.id == mark.id:
                    return
                if message.id.startswith(f"{project}/"):
                    yield message
