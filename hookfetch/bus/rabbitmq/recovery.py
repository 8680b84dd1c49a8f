"""What a coordinator does with the log when it becomes the active one: it leaves its mark, and reads.

The mark goes by the very channel by which it is the active consumer. Who was frozen or cut off has
lost that channel before the broker makes another one active, so a late mark cannot void its records.
(For as long as it takes, a broker short of memory then holds up that connection too.)
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from aio_pika.abc import AbstractChannel
from aiormq.abc import DeliveredMessage
from pamqp.common import FieldTable

from hookfetch.bus.rabbitmq.link import Link, temporary
from hookfetch.bus.rabbitmq.publisher import amqp_message, publish_on
from hookfetch.bus.rabbitmq.topology import LOG, declare_log
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import Message

_PREFETCH = 2000
_ACKNOWLEDGED = 500  # at once


async def append_mark(channel: AbstractChannel, mark: Message, timeout: float) -> None:
    """Append `mark` to the log; Temporary when it is not confirmed within `timeout` seconds."""
    with temporary("marking the log"):
        async with asyncio.timeout(timeout):
            await declare_log(channel)
            await publish_on(channel, amqp_message(mark), LOG)


async def records_before(
    link: Link, project: str, mark: Message, since: float | None, timeout: float
) -> AsyncIterator[Message]:
    """Yield the project's records from about `since` to `mark`, which is in the log; Temporary when the
    next one does not come within `timeout` seconds."""
    offset = "first" if since is None else datetime.fromtimestamp(max(since, 0.0), UTC)
    with temporary("reading the log"):
        async with link.session() as channel:
            await channel.set_qos(prefetch_count=_PREFETCH)
            await declare_log(channel)
            arrived = _Arrived(channel)
            await arrived.consume({"x-stream-offset": offset})
            while True:
                async with asyncio.timeout(timeout):
                    records = await arrived.some()
                for record in records:
                    message_id = record.header.properties.message_id or ""
                    if message_id == mark.id:
                        return
                    if message_id.startswith(f"{project}/"):
                        yield Message(id=message_id, body=record.body)


class _Arrived:
    """Records of the log as the library below aio-pika has them: the object that aio-pika makes of each costs
    as much as all the rest of reading it, and a takeover without a disk reads every record there is."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._records: list[DeliveredMessage] = []
        self._unacknowledged = 0
        self._news = asyncio.Event()
        self._lost = False

    async def consume(self, arguments: FieldTable) -> None:
        """Begin to read."""
        underlay = await self._channel.get_underlay_channel()
        self._channel.close_callbacks.add(self._end)
        underlay.on_consumer_cancel_callbacks.add(self._end)
        await underlay.basic_consume(LOG, self._arrive, arguments=arguments)

    async def some(self) -> list[DeliveredMessage]:
        """Return what has arrived, at least one; Temporary when the channel is lost."""
        await self._news.wait()
        if self._lost:
            raise Temporary("the channel was lost")
        self._news.clear()
        records, self._records = self._records, []
        self._unacknowledged += len(records)
        if self._unacknowledged >= _ACKNOWLEDGED:
            underlay = await self._channel.get_underlay_channel()
            await underlay.basic_ack(records[-1].delivery_tag or 0, multiple=True, wait=False)
            self._unacknowledged = 0
        return records

    async def _arrive(self, record: DeliveredMessage) -> None:
        self._records.append(record)
        self._news.set()

    async def _end(self, *_: object) -> None:
        self._lost = True
        self._news.set()
