"""Publishing with confirms: a message is the broker's once `publish` returns, and not before."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple
from weakref import WeakValueDictionary

from aio_pika import DeliveryMode
from aio_pika.abc import AbstractChannel, AbstractQueue
from aio_pika.exceptions import PublishError
from aiormq.channel import Channel
from pamqp.commands import Basic
from pamqp.common import FieldTable

from hookfetch.bus.rabbitmq.link import Link, temporary
from hookfetch.bus.rabbitmq.topology import DELIVERIES, declare_deliveries, declare_project, project_queue
from hookfetch.core.errors import Permanent
from hookfetch.core.ports import Message

EARLIER = "earlier-attempts"  # the header that says how often a message was tried before its replay
_SHORT_STRING = 255  # bytes: AMQP 0-9-1's limit for a property such as the message id

_Declare = Callable[[AbstractChannel], Awaitable[AbstractQueue]]


class AmqpMessage(NamedTuple):
    """A message as it goes over the wire. The library's own has a place for all that one can have, and takes
    as long to make as to send."""

    id: str
    body: bytes
    properties: Basic.Properties


def amqp_message(message: Message, headers: FieldTable | None = None) -> AmqpMessage:
    """Return `message` as it goes over the wire, persistent; Permanent when its id does not fit."""
    if message.earlier:
        headers = {**(headers or {}), EARLIER: message.earlier}
    if len(message.id.encode()) > _SHORT_STRING:
        raise Permanent(f"the message id is longer than {_SHORT_STRING} bytes: {message.id[:60]}…")
    return persistent(message.id, message.body, headers)


def persistent(
    message_id: str, body: bytes, headers: FieldTable | None = None, kind: str | None = None
) -> AmqpMessage:
    """Return a message that outlives the broker; `kind` is AMQP's type."""
    properties = Basic.Properties(
        content_type="application/json",
        delivery_mode=DeliveryMode.PERSISTENT,
        headers=headers,
        message_id=message_id,
        message_type=kind,
    )
    return AmqpMessage(message_id, body, properties)


async def publish_on(
    channel: AbstractChannel, message: AmqpMessage, key: str, *, exchange: str = "", mandatory: bool = True
) -> None:
    """Return once the broker has confirmed; as the library raises."""
    underlay = await channel.get_underlay_channel()
    assert isinstance(underlay, Channel)  # the interface does not know `wait`
    # Not waiting until it is written: only one at a time could be, and the confirm says it too.
    await underlay.basic_publish(
        message.body,
        exchange=exchange,
        routing_key=key,
        properties=message.properties,
        mandatory=mandatory,
        wait=False,
    )


class Publisher:
    """One channel with confirms; each publish ends within `timeout` seconds, with Temporary if need be."""

    def __init__(self, link: Link, timeout: float) -> None:
        self._link = link
        self._timeout = timeout
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()
        self._declared: set[str] = set()
        # The library finds a returned message by its id: two at once would be told apart wrongly.
        self._in_flight: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def publish(
        self, message: AmqpMessage, key: str, *, exchange: str = "", mandatory: bool = True
    ) -> None:
        """Return once the broker has confirmed; Temporary when it has not in time, when a queue is
        full, and, if `mandatory`, when there is no queue."""
        with temporary(f"publishing to {exchange or key}"):
            async with asyncio.timeout(self._timeout):
                await self._confirmed(message, key, exchange, mandatory)

    async def publish_to_project(self, project: str, message: AmqpMessage) -> None:
        """Publish to a project's queue, which is declared first: it keeps what comes before the
        project's first coordinator."""
        await self._publish_declared(
            project_queue(project), partial(declare_project, project=project), message
        )

    async def publish_delivery(self, message: AmqpMessage) -> None:
        """Publish to the queue of accepted deliveries, which is declared first."""
        await self._publish_declared(DELIVERIES, declare_deliveries, message)

    async def check(self) -> None:
        """Return if the broker answers now, and has the queue of accepted deliveries; Temporary otherwise."""
        with temporary(f"looking at {DELIVERIES}"):
            async with asyncio.timeout(self._timeout):
                await declare_deliveries(await self._open())

    async def _publish_declared(self, key: str, declare: _Declare, message: AmqpMessage) -> None:
        with temporary(f"publishing to {key}"):
            async with asyncio.timeout(self._timeout):
                channel = await self._open()
                if key not in self._declared:
                    await declare(channel)
                    self._declared.add(key)
                try:
                    await self._confirmed(message, key, "", mandatory=True)
                except PublishError:
                    self._declared.discard(key)  # deleted under us: the next publish makes it again
                    raise

    async def _confirmed(self, message: AmqpMessage, key: str, exchange: str, mandatory: bool) -> None:
        lock = self._in_flight.setdefault(message.id, asyncio.Lock())
        async with lock:
            await publish_on(await self._open(), message, key, exchange=exchange, mandatory=mandatory)

    async def _open(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            async with self._opening:
                if self._channel is None or self._channel.is_closed:
                    self._declared.clear()
                    self._channel = await self._link.channel(on_return_raises=True)
        return self._channel
