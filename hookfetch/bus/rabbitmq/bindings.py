"""A project's bindings: made exactly the wanted keys, although AMQP cannot list what is bound.

What was bound is kept beside the queue, as messages in `hookfetch.bindings.<p>`. The rule that makes
every crash harmless: whatever is bound stands in some record. So a new record is written before its
keys are bound, and old records go only after what they alone name is unbound. Wanted keys are bound
before others are unbound, and are never unbound in between. All of the wanted keys are bound each
time (which changes nothing where they are), so bindings that an operator removed come back.
"""

import json
import uuid

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.abc import AbstractChannel as UnderlayChannel

from hookfetch.bus.rabbitmq.link import Link, temporary
from hookfetch.bus.rabbitmq.publisher import AmqpMessage, Publisher, amqp_message
from hookfetch.bus.rabbitmq.topology import (
    FACTS,
    bindings_queue,
    declare_bindings,
    declare_facts,
    declare_project,
    project_queue,
)
from hookfetch.core.ports import Message

# More than crashes leave behind between two loads, and no more than RabbitMQ gives back in order (see
# `letters`); the rest is read next time.
_RECORDS = 30
_PIPELINED = 200  # bindings sent before one answer is awaited


class Bindings:
    """Brings the bindings of projects up to date; `timeout` (seconds) bounds each answer."""

    def __init__(self, link: Link, publisher: Publisher, timeout: float) -> None:
        self._link = link
        self._publisher = publisher
        self._timeout = timeout

    async def set(self, project: str, keys: frozenset[str], *, keep: bool = False) -> None:
        """Make `keys` exactly the keys whose facts reach `project`, or, with `keep`, add them to those;
        Temporary leaves them in between, for the next call to complete."""
        async with self._link.session() as channel:
            with temporary(f"binding {project_queue(project)}"):
                await declare_facts(channel)
                await declare_project(channel, project)
                records = await self._records(channel, project)
                bound = frozenset().union(*(json.loads(record.body) for record in records))
                keys |= bound if keep else frozenset()
                await self._publisher.publish(_record(keys), bindings_queue(project))
                await self._bind(channel, project_queue(project), sorted(keys))
                await self._unbind(channel, project_queue(project), sorted(bound - keys))
                for record in records:
                    await record.ack()

    async def _records(self, channel: AbstractChannel, project: str) -> list[AbstractIncomingMessage]:
        queue = await declare_bindings(channel, project)
        records: list[AbstractIncomingMessage] = []
        while len(records) < _RECORDS and (record := await queue.get(fail=False, timeout=self._timeout)):
            records.append(record)
        return records

    async def _bind(self, channel: AbstractChannel, queue: str, keys: list[str]) -> None:
        underlay: UnderlayChannel = await channel.get_underlay_channel()
        for start in range(0, len(keys), _PIPELINED):
            *unanswered, last = keys[start : start + _PIPELINED]
            for key in unanswered:
                await underlay.queue_bind(queue, FACTS, key, nowait=True, timeout=self._timeout)
            # A channel is worked through in order: this answer stands for all before it.
            await underlay.queue_bind(queue, FACTS, last, timeout=self._timeout)

    async def _unbind(self, channel: AbstractChannel, queue: str, keys: list[str]) -> None:
        underlay: UnderlayChannel = await channel.get_underlay_channel()
        for key in keys:  # AMQP has no unbind without an answer
            await underlay.queue_unbind(queue, FACTS, key, timeout=self._timeout)


def _record(keys: frozenset[str]) -> AmqpMessage:
    return amqp_message(Message(id=str(uuid.uuid4()), body=json.dumps(sorted(keys)).encode()))
