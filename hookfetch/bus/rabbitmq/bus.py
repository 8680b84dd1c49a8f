"""The bus on RabbitMQ: what is published is on the broker's disks, and outlives every process. What
stands on the broker is in `topology`; what each consumer promises is in a module of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from hookfetch.bus.attempts import Backoff
from hookfetch.bus.consumer import Consumers
from hookfetch.bus.rabbitmq.bindings import Bindings
from hookfetch.bus.rabbitmq.consumer import Settling
from hookfetch.bus.rabbitmq.inbox import AmqpInbox
from hookfetch.bus.rabbitmq.letters import Graveyard
from hookfetch.bus.rabbitmq.link import Address, Link, broker_address, temporary
from hookfetch.bus.rabbitmq.log import LogConsumer
from hookfetch.bus.rabbitmq.project import ProjectConsumer
from hookfetch.bus.rabbitmq.publisher import Publisher, amqp_message
from hookfetch.bus.rabbitmq.questions import QuestionConsumer
from hookfetch.bus.rabbitmq.recovery import append_mark, records_before
from hookfetch.bus.rabbitmq.topology import FACTS, LOG, QUESTIONS, declare_shared, jobs_queue
from hookfetch.bus.rabbitmq.work import WorkConsumer
from hookfetch.core.errors import Temporary
from hookfetch.core.jobs import Priority
from hookfetch.core.ports import DeadLetter, Handler, Inbox, Judge, Message, Subscription


class RabbitBus:
    """A `Bus` on a broker; it satisfies the Protocol, and adds what follows.

    `broker` is `amqp://user:password@host:port/vhost`, ConfigurationError when it is none, or the
    address that `broker_address` made of such a URL.
    Every call ends within about `confirm_timeout` seconds, with Temporary if need be (`bind` and
    looking through dead letters: each answer of the broker does). Consumers outlive the
    connection: they, their queues and their bindings are there again when the broker is. Consumers and
    publishers have a connection each, since a broker short of memory stops reading from publishers,
    and would stop reading acknowledgements.
    """

    def __init__(
        self, broker: str | Address, *, confirm_timeout: float, backoff: Backoff | None = None
    ) -> None:
        if isinstance(broker, str):
            broker = broker_address(broker)
        self._timeout = confirm_timeout
        self._backoff = backoff or Backoff()
        self._out = Link(broker, confirm_timeout)
        self._in = Link(broker, confirm_timeout)
        self._publisher = Publisher(self._out, confirm_timeout)
        self._graveyard = Graveyard(self._in, self._publisher, confirm_timeout)
        self._bindings = Bindings(self._in, self._publisher, confirm_timeout)
        self._coordinating: list[ProjectConsumer] = []
        self._consumers = Consumers()

    @property
    def outlives_process(self) -> bool:
        """Return True: the broker keeps the log."""
        return True

    async def start(self) -> None:
        """Connect and declare what is shared; Temporary when the broker is unreachable,
        ConfigurationError when it refuses the user."""
        await self._out.open()
        await self._in.open()
        async with self._in.session() as channel:
            with temporary("declaring"):
                async with asyncio.timeout(self._timeout):
                    await declare_shared(channel)

    async def close(self) -> None:
        """Leave; running handlers are waited for."""
        await self._consumers.cancel()
        await self._out.close()
        await self._in.close()

    async def publish_fact(self, keys: Sequence[str], message: Message) -> None:
        """Send to every project bound to any of `keys`, once each: one publish names all of them."""
        if not keys:
            return
        first, *others = keys
        # The broker routes by the keys in CC as by the routing key, and to each queue once.
        carried = amqp_message(message, {"CC": list(others)} if others else None)
        await self._publisher.publish(carried, first, exchange=FACTS, mandatory=False)

    async def publish_event(self, project: str, message: Message) -> None:
        """Send to one project's queue; it is kept while no coordinator is running."""
        await self._publisher.publish_to_project(project, amqp_message(message))

    async def publish_job(self, project: str, priority: Priority, message: Message) -> None:  # noqa: ARG002
        """Send to any one worker; a queue holds few jobs of each project, in the order they come."""
        await self._publisher.publish(amqp_message(message), jobs_queue(priority))

    async def publish_entry(self, message: Message) -> None:
        """Append to the log."""
        await self._publisher.publish(amqp_message(message), LOG)

    async def publish_delivery(self, message: Message) -> None:
        """Send an encoded delivery to whichever ingress takes it, as one that was just accepted."""
        await self._publisher.publish_delivery(amqp_message(message))

    async def publish_reply(self, address: str, message: Message) -> None:
        """Send to an inbox; the broker confirms, and forgets, what is for one that is gone."""
        await self._publisher.publish(amqp_message(message), address, mandatory=False)

    async def publish_question(self, message: Message) -> None:
        """Send to the queue of everyone who answers."""
        await self._publisher.publish(amqp_message(message), "", exchange=QUESTIONS, mandatory=False)

    async def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter; Temporary when there are too many."""
        await self._graveyard.bury(letter)

    async def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first, at most 10,000; they stay."""
        return await self._graveyard.letters()

    async def sift(self, judge: Judge) -> None:
        """Ask `judge` about each dead letter, in the queue's order, until it says `stop`."""
        await self._graveyard.sift(judge)

    async def revive(self, letter: DeadLetter) -> None:
        """Send a dead event to its project's queue, a dead delivery to whichever ingress takes it."""
        kind, _, project = letter.origin.partition(":")
        if kind == "project":
            message = Message(id=letter.id, body=letter.body, earlier=letter.attempts)
            await self.publish_event(project, message)
        elif kind == "delivery":
            await self.publish_delivery(Message(id=letter.id, body=letter.body))

    async def exhume(self, letter_id: str) -> DeadLetter | None:
        """Remove the first dead letter of this id and return it, or None."""
        return await self._graveyard.take(letter_id)

    async def bind(self, project: str, keys: frozenset[str], *, keep: bool = False) -> None:
        """Make `keys` exactly the keys whose facts reach `project`, or, with `keep`, add them to those."""
        await self._bindings.set(project, keys, keep=keep)

    async def coordinate(
        self,
        project: str,
        handler: Handler,
        on_active: Callable[[], Awaitable[None]],
        on_passive: Callable[[], Awaitable[None]] | None = None,
    ) -> Subscription:
        """Consume a project's facts and events, or stand by while another coordinator does."""
        settling = self._settling(handler, f"project:{project}")
        consumer = ProjectConsumer(self._in, project, self._publisher, settling, on_active, on_passive)
        self._coordinating = [known for known in self._coordinating if not known.ended] + [consumer]
        self._consumers.add(consumer)
        return consumer

    async def recover(self, project: str, mark: Message, since: float | None) -> AsyncIterator[Message]:
        """Append `mark` by the active consumer's own channel, and yield the project's records before it."""
        tenures = (consumer.tenure for consumer in self._coordinating if consumer.project == project)
        tenure = next((channel for channel in tenures if channel is not None), None)
        if tenure is None:
            raise Temporary(f"{project}: this consumer is not the active one")
        await append_mark(tenure, mark, self._timeout)
        async for record in records_before(self._in, project, mark, since, self._timeout):
            yield record

    async def work(self, handler: Handler, concurrency: int) -> Subscription:
        """Consume jobs, interactive ones first, at most `concurrency` at once."""
        consumer = WorkConsumer(self._in, self._settling(handler, "jobs"), concurrency, self._timeout)
        self._consumers.add(consumer)
        return consumer

    async def follow(self, handler: Handler) -> Subscription:
        """Read the log from its first kept entry, then as it grows."""
        consumer = LogConsumer(self._in, handler, self._backoff, self._timeout)
        self._consumers.add(consumer)
        return consumer

    async def inbox(self, handler: Handler) -> Inbox:
        """Open an address for replies; Temporary when the broker gives none in time."""
        inbox = AmqpInbox(self._in, handler)
        try:
            await inbox.until_ready(self._timeout)
        except Temporary:
            await inbox.cancel()
            raise
        self._consumers.add(inbox)
        return inbox

    async def answer(self, handler: Handler) -> Subscription:
        """Hear every question from now on; Temporary when the broker gives no queue in time."""
        consumer = QuestionConsumer(self._in, handler)
        try:
            await consumer.until_ready(self._timeout)
        except Temporary:
            await consumer.cancel()
            raise
        self._consumers.add(consumer)
        return consumer

    def _settling(self, handler: Handler, origin: str) -> Settling:
        return Settling(handler, self._graveyard, self._backoff, origin)
