"""Coordinating a project: being the active consumer of its queue, whose broker lets one be so at a
time. It never decides who: the broker does, and another one follows when a connection ends."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from hookfetch.bus.attempts import Backoff
from hookfetch.bus.rabbitmq.consumer import AmqpConsumer, Deliveries, Settling, is_probe
from hookfetch.bus.rabbitmq.link import Link
from hookfetch.bus.rabbitmq.publisher import Publisher, persistent
from hookfetch.bus.rabbitmq.topology import PROBE, declare_project, project_queue
from hookfetch.core.errors import Temporary

log = structlog.get_logger(__name__)

_PROBE_EVERY = 3.0  # seconds
_ACTIVATIONS = 12  # attempts before another one in line may try: about half a minute
_AGAIN = Backoff(first=0.2, most=5.0)


class ProjectConsumer(AmqpConsumer):
    """A coordinator's consumer, active or standing by.

    AMQP 0-9-1 does not tell a consumer that it became the active one; its first message does. So that
    an idle queue activates one too, a consumer that was given nothing yet sends a probe, unless
    messages are waiting anyway. A consumer whose connection was lost begins as a standby again:
    `on_active` is awaited once more when it is given a message, since another may have been active;
    `on_passive` when a session ends in which it was active.
    """

    def __init__(
        self,
        link: Link,
        project: str,
        publisher: Publisher,
        settling: Settling,
        on_active: Callable[[], Awaitable[None]],
        on_passive: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(link, project_queue(project))
        self.project = project
        self.tenure: AbstractChannel | None = None  # the channel by which this consumer is the active one
        self._publisher = publisher
        self._settling = settling
        self._on_active = on_active
        self._on_passive = on_passive
        self.start()

    async def session(self, channel: AbstractChannel) -> None:
        """Stand by, then handle, one message at a time (a larger prefetch would change the order of
        messages that go back)."""
        await channel.set_qos(prefetch_count=1)
        deliveries = Deliveries(channel)
        await deliveries.watch()
        await deliveries.consume(await declare_project(channel, self.project))
        message = await self._first(channel, deliveries)
        if message is None:
            return
        self.tenure = channel
        try:
            await self._activate()
            while message is not None:
                if is_probe(message):
                    await message.ack()
                else:
                    await self._settling.handle(message, self)
                message = None if self.stop.is_set() else await self.stop.first(deliveries.next())
        finally:
            self.tenure = None
            if self._on_passive is not None:
                await self._on_passive()

    async def _first(
        self, channel: AbstractChannel, deliveries: Deliveries
    ) -> AbstractIncomingMessage | None:
        # One wait over all probes: a wait that a time-out ends could drop what came at that moment.
        first = asyncio.ensure_future(self.stop.first(deliveries.next()))
        try:
            while not first.done():
                await self._probe(channel)
                await asyncio.wait({first}, timeout=_PROBE_EVERY)
            return first.result()
        finally:
            first.cancel()

    async def _probe(self, channel: AbstractChannel) -> None:
        queue = await channel.get_queue(project_queue(self.project))
        if not queue.declaration_result.message_count:
            # By the publisher: a connection that publishes may be held up, and this one must acknowledge.
            probe = persistent(str(uuid.uuid4()), b"", kind=PROBE)
            await self._publisher.publish_to_project(self.project, probe)

    async def _activate(self) -> None:
        # What it was given is held meanwhile: each time that it goes back counts as a delivery of it.
        for failures in range(1, _ACTIVATIONS + 1):
            try:
                await self._on_active()
            except Temporary as error:
                channel = self.tenure
                if failures == _ACTIVATIONS or self.stop.is_set() or channel is None or channel.is_closed:
                    raise
                log.warning("activation_waits", project=self.project, reason=str(error))
                await self.stop.pause(_AGAIN.pause(failures))
            except Exception as error:
                log.exception("activation_failed", project=self.project)
                # Ending the session lets the next one in line try.
                raise Temporary(f"activation failed: {type(error).__name__}") from error
            else:
                return
