"""What stands on the broker: names and idempotent declarations. Everything is durable and bounded;
nothing is ever deleted here.

| object | kind | for |
|---|---|---|
| `hookfetch.facts` | direct exchange | facts; routing keys are those of `bind` |
| `hookfetch.unmatched` | fanout exchange, alternate of the above | facts that no project follows |
| `hookfetch.project.<p>` | quorum queue, single active consumer | a project's facts and events |
| `hookfetch.bindings.<p>` | quorum queue | the record of which keys are bound (see `amqp_bindings`) |
| `hookfetch.jobs.interactive`, `.background` | quorum queues | jobs |
| `hookfetch.deliveries` | quorum queue, single active consumer | accepted deliveries: see `spool` |
| `hookfetch.dead` | quorum queue | dead letters |
| `hookfetch.log` | stream | the log |
| `hookfetch.questions` | fanout exchange | questions to all who answer, each with a queue that goes with it |

`hookfetch.unmatched` has no queue: what comes to it ends there, and an operator who wonders why a push
had no effect may bind one. A full queue refuses (reject-publish), so the sender learns of it; only the
stream forgets its oldest.

Weaknesses of RabbitMQ 3.10, healed by trying again (which every user of these does) but for the last:
it drops the connection of one that consumes from a quorum queue which another is just declaring for the
first time; a stream is refused in the first second after the broker's start; and a broker that is killed
in the first second of a stream's life never finds that stream again. Nothing that AMQP can say removes
it then, and the answer is the same as in the first second, or while a node is away: a person has to.
"""

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractQueue
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp.common import FieldTable

from hookfetch.core.errors import Temporary
from hookfetch.core.jobs import Priority

FACTS = "hookfetch.facts"
UNMATCHED = "hookfetch.unmatched"
DEAD = "hookfetch.dead"
DELIVERIES = "hookfetch.deliveries"
LOG = "hookfetch.log"
QUESTIONS = "hookfetch.questions"
PROBE = "probe"  # the type of a message that only wakes a coordinator; see amqp_project
_PROJECT = "hookfetch.project."
_BINDINGS = "hookfetch.bindings."
_JOBS = "hookfetch.jobs."

DELIVERY_LIMIT = 20  # deaths of consumers while they hold one message; see core.ports.MAX_ATTEMPTS
DEAD_LIMIT = 10_000  # letters
_DEAD_BYTES = 1024**3  # who looks through them holds them all
_PROJECT_BYTES = 1024**3
_DELIVERIES_BYTES = 4 * 1024**3
_JOBS_LIMIT = 100_000
_LOG_BYTES = 1024**3
_LOG_SEGMENT_BYTES = 64 * 1024**2  # a stream is cut by whole segments
_INBOX_LIMIT = 1000
_QUESTION_MILLISECONDS = 5000  # longer than anyone waits for answers


def project_queue(project: str) -> str:
    """Return the name of the queue whose consumer coordinates `project`."""
    return f"{_PROJECT}{project}"


def bindings_queue(project: str) -> str:
    """Return the name of the queue that holds the record of `project`'s bindings."""
    return f"{_BINDINGS}{project}"


def jobs_queue(priority: Priority) -> str:
    """Return the name of the queue of jobs of `priority`."""
    return f"{_JOBS}{priority}"


def origin_of(queue: str) -> str:
    """Return the dead letter's origin for messages of `queue`: `project:<name>`, `delivery` or `jobs`."""
    if queue == DELIVERIES:
        return "delivery"
    if queue.startswith(_PROJECT):
        return f"project:{queue.removeprefix(_PROJECT)}"
    return "jobs"


async def declare_shared(channel: AbstractChannel) -> None:
    """Declare all that does not belong to one project."""
    await declare_facts(channel)
    await declare_dead(channel)
    await declare_deliveries(channel)
    await declare_jobs(channel, "interactive")
    await declare_jobs(channel, "background")
    await declare_log(channel)
    await declare_questions(channel)


async def declare_facts(channel: AbstractChannel) -> AbstractExchange:
    """Declare the exchange of facts and the one for those that nobody follows."""
    await channel.declare_exchange(UNMATCHED, ExchangeType.FANOUT, durable=True)
    return await channel.declare_exchange(
        FACTS, ExchangeType.DIRECT, durable=True, arguments={"alternate-exchange": UNMATCHED}
    )


async def declare_project(channel: AbstractChannel, project: str) -> AbstractQueue:
    """Declare a project's queue; what the broker gives up on goes to the dead letters."""
    return await _quorum(
        channel,
        project_queue(project),
        {
            "x-single-active-consumer": True,
            "x-max-length-bytes": _PROJECT_BYTES,
            **_TO_THE_DEAD,
        },
    )


async def declare_bindings(channel: AbstractChannel, project: str) -> AbstractQueue:
    """Declare the queue that holds the record of `project`'s bindings."""
    return await _quorum(channel, bindings_queue(project), {})


async def declare_deliveries(channel: AbstractChannel) -> AbstractQueue:
    """Declare the queue of accepted deliveries. One consumer at a time, or facts of one repository would
    overtake; no delivery limit, since a flapping broker must not end what was accepted."""
    return await _quorum(
        channel,
        DELIVERIES,
        {"x-single-active-consumer": True, "x-max-length-bytes": _DELIVERIES_BYTES, **_REJECTED},
    )


async def declare_jobs(channel: AbstractChannel, priority: Priority) -> AbstractQueue:
    """Declare the queue of jobs of `priority`."""
    return await _quorum(channel, jobs_queue(priority), {"x-max-length": _JOBS_LIMIT, **_TO_THE_DEAD})


async def declare_dead(channel: AbstractChannel) -> AbstractQueue:
    """Declare the queue of the dead letters."""
    return await _quorum(channel, DEAD, {"x-max-length": DEAD_LIMIT, "x-max-length-bytes": _DEAD_BYTES})


async def declare_log(channel: AbstractChannel) -> AbstractQueue:
    """Declare the stream of the log; Temporary while the broker has it and cannot reach it."""
    arguments: FieldTable = {
        "x-queue-type": "stream",
        "x-max-length-bytes": _LOG_BYTES,
        "x-stream-max-segment-size-bytes": _LOG_SEGMENT_BYTES,
    }
    try:
        return await channel.declare_queue(LOG, durable=True, arguments=arguments)
    except ChannelNotFoundEntity as error:
        raise Temporary(
            f"the broker has {LOG} and cannot reach it, as when it has just started or a node is away; if it"
            ' stays so, see "A log that the broker lost" in docs/operating.md'
        ) from error


async def declare_questions(channel: AbstractChannel) -> AbstractExchange:
    """Declare the exchange of questions."""
    return await channel.declare_exchange(QUESTIONS, ExchangeType.FANOUT, durable=True)


async def declare_asked(channel: AbstractChannel) -> AbstractQueue:
    """Declare a queue of questions that goes with this connection; of too many the oldest are forgotten."""
    arguments: FieldTable = {"x-max-length": _INBOX_LIMIT, "x-message-ttl": _QUESTION_MILLISECONDS}
    queue = await channel.declare_queue("", exclusive=True, auto_delete=True, arguments=arguments)
    await queue.bind(await declare_questions(channel))
    return queue


async def declare_inbox(channel: AbstractChannel) -> AbstractQueue:
    """Declare a queue that goes with this connection; the broker names it."""
    arguments: FieldTable = {"x-max-length": _INBOX_LIMIT, "x-overflow": "reject-publish"}
    return await channel.declare_queue("", exclusive=True, auto_delete=True, arguments=arguments)


# At-least-once dead-lettering needs reject-publish, and is not the default: the default may lose.
_REJECTED: FieldTable = {
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": DEAD,
    "x-dead-letter-strategy": "at-least-once",
}
_TO_THE_DEAD: FieldTable = {"x-delivery-limit": DELIVERY_LIMIT, **_REJECTED}


async def _quorum(channel: AbstractChannel, name: str, arguments: FieldTable) -> AbstractQueue:
    return await channel.declare_queue(
        name,
        durable=True,
        arguments={"x-queue-type": "quorum", "x-overflow": "reject-publish", **arguments},
    )
