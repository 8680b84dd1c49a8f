"""The outside world as small Protocols. Adapters implement them; `bootstrap` chooses."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from hookfetch.core.delivery import Delivery
from hookfetch.core.digests import Digest
from hookfetch.core.events import SourceRef, UpstreamFact
from hookfetch.core.jobs import Job, Priority
from hookfetch.core.moves import Unmoved, Upgrade
from hookfetch.core.sources import LoadedProject


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Bytes on the bus. `id` makes repeats harmless; `attempt` counts from 1, and `earlier` how often
    it had been tried before it died and was replayed."""

    id: str
    body: bytes
    attempt: int = 1
    earlier: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that cannot be handled, kept with its reason until replayed or dropped.

    `origin` says where it goes on replay: `delivery` (body is a spooled delivery),
    `project:<name>` (an event) or `jobs` (a job). `failed_at` is in Unix seconds.
    """

    id: str
    origin: str
    reason: str
    attempts: int
    failed_at: float
    body: bytes


# What becomes of a dead letter that is looked at; after `stop` no other one is.
Verdict = Literal["keep", "remove", "stop"]
Judge = Callable[[DeadLetter], Awaitable[Verdict]]

# Returns once what the message asks is stored or done. Temporary: deliver again after a
# pause, at most MAX_ATTEMPTS times. Permanent or anything else: to the dead letters.
Handler = Callable[[Message], Awaitable[None]]

MAX_ATTEMPTS = 20  # high, since a consumer's death counts one on everything it had prefetched


class Subscription(Protocol):
    """A running consumer."""

    async def cancel(self) -> None:
        """Stop taking messages; what is being handled is finished, the rest goes back."""


class Inbox(Subscription, Protocol):
    """A transient address for replies to this process."""

    @property
    def address(self) -> str:
        """Return what others pass to `publish_reply`."""


class Bus(Protocol):
    """What passes between the roles. Every publish returns once the message is as durable
    as this bus makes it (a broker's confirm; in-process: the consumer's acknowledgement
    for facts and events, since the sender's own store holds the rest) and raises Temporary
    when that cannot be had in bounded time."""

    @property
    def outlives_process(self) -> bool:
        """Return whether bindings and published log entries outlive this process."""

    async def start(self) -> None:
        """Connect and declare what is shared; Temporary when the broker is unreachable (it may
        be called again), ConfigurationError when it refuses the user."""

    async def close(self) -> None:
        """Leave; running handlers are waited for."""

    async def publish_fact(self, keys: Sequence[str], message: Message) -> None:
        """Send to every project bound to any of `keys`, once each; to none is fine."""

    async def publish_event(self, project: str, message: Message) -> None:
        """Send to one project's coordinator; kept while none is running (in-process: Temporary)."""

    async def publish_job(self, project: str, priority: Priority, message: Message) -> None:
        """Send a project's job to any one worker."""

    async def publish_entry(self, message: Message) -> None:
        """Append to the log."""

    async def publish_reply(self, address: str, message: Message) -> None:
        """Send to an inbox; a vanished inbox is fine."""

    async def publish_question(self, message: Message) -> None:
        """Send to everyone who answers just now; nobody is fine. It overtakes all other messages."""

    async def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter durably."""

    async def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first, at most 10,000; they stay."""

    async def sift(self, judge: Judge) -> None:
        """Ask `judge` about each dead letter, about the oldest first, and remove those that it says.
        One process sifts at a time (in-process: the last word counts). Killed in between, a letter
        stays; Temporary when the letters cannot be had in bounded time."""

    async def revive(self, letter: DeadLetter) -> None:
        """Send a dead letter where it was going, durable when it returns, an event's attempts counted
        (in-process events only: a delivery goes to the spool). Where `sift` finds the letter, it is
        still to be removed."""

    async def exhume(self, letter_id: str) -> DeadLetter | None:
        """Remove a dead letter and return it, or None."""

    async def bind(self, project: str, keys: frozenset[str], *, keep: bool = False) -> None:
        """Make `keys` exactly the keys whose facts reach `project`, or, with `keep`, add them to those."""

    async def coordinate(
        self,
        project: str,
        handler: Handler,
        on_active: Callable[[], Awaitable[None]],
        on_passive: Callable[[], Awaitable[None]] | None = None,
    ) -> Subscription:
        """Consume a project's facts and events, in order, one at a time. Of several
        consumers one is active; `on_active` is awaited when this one becomes it, before
        its first message, and `on_passive` as soon as it is known, or may be, that it is so no more."""

    def recover(self, project: str, mark: Message, since: float | None) -> AsyncIterator[Message]:
        """Append `mark` to the log, which only the active consumer of `project` can, and yield the
        project's records that stand before it, in order: those from about `since` on (Unix seconds of
        the bus's clock, some earlier ones with them), None for all that are kept. Their ids begin with
        `<project>/`. Temporary when another consumer is active, or the bus does not go on in time."""

    async def work(self, handler: Handler, concurrency: int) -> Subscription:
        """Consume jobs, interactive ones first, at most `concurrency` at once."""

    async def follow(self, handler: Handler) -> Subscription:
        """Read the log from its first kept entry, then as it grows."""

    async def inbox(self, handler: Handler) -> Inbox:
        """Open an address for replies; they are handled at most once."""

    async def answer(self, handler: Handler) -> Subscription:
        """Hear every question that is asked from now on; each is handled at most once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What the engine did for a job. `milliseconds` by step: track, fetch, push, prove.
    `cached` is true only when the remote cache was asked and holds the whole tree. `descends`,
    the directories and what became of a move are as in `JobDone`."""

    refs: tuple[SourceRef, ...]
    cached: bool
    element_key: str | None
    source_keys: tuple[str, ...]
    milliseconds: Mapping[str, float]
    descends: Mapping[int, bool] = field(default_factory=dict)
    element_directory: Digest | None = None
    source_directories: tuple[Digest | None, ...] = ()
    upgrade: Upgrade | None = None
    unmoved: Unmoved | None = None


OnTracked = Callable[[tuple[SourceRef, ...], float], Awaitable[None]]
# Asked when all is ready and nothing was looked at yet: whether the job is wanted still.
MayBegin = Callable[[], Awaitable[bool]]


async def at_once() -> bool:
    """Begin without asking anyone."""
    return True


class Clone(Protocol):
    """This machine's own clone of a project's repository."""

    @property
    def place(self) -> str:
        """Return the path of the bare repository."""

    async def newest(self, branch: str) -> str:
        """Fetch and return the commit that `branch` is at; Temporary when it cannot be fetched."""

    async def require(self, revision: str, branch: str) -> None:
        """Return once the clone has the commit `revision`, which is or was on `branch`; Temporary when it
        cannot be had."""


class Engine(Protocol):
    """A warm BuildStream somewhere outside the event loop."""

    async def newest(self, project: str) -> str | None:
        """Return the commit that the project's branch is at now, None for a checkout that is read as it
        is; Temporary when its repository cannot be asked."""

    async def load(self, project: str, revision: str | None = None) -> LoadedProject:
        """(Re)load a project as of the commit `revision`; Permanent with BuildStream's message when it
        does not load."""

    async def run(self, job: Job, on_tracked: OnTracked, may_begin: MayBegin = at_once) -> Finished:
        """Do a job; `on_tracked` gets every source's ref and the milliseconds as soon as
        they are known. Unwanted when `may_begin` says no; ElementError when BuildStream refuses the
        element; Temporary when the process died, its deadline passed, the source cache is not there or
        the project no longer loads; Permanent when this engine has no such project."""

    async def probe(self, project: str) -> None:
        """Ask whether the project's source cache is there, and nothing else; CacheAway when it is not."""

    async def close(self) -> None:
        """End every process that was started, and reap it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """A record of the spool and the place to acknowledge it by."""

    position: tuple[int, int]
    delivery: Delivery


class Spool(Protocol):
    """Accepted deliveries on disk until the bus has their facts."""

    async def append(self, delivery: Delivery) -> None:
        """Return once `delivery` is on disk (fsync); Busy when the spool is full."""

    async def take(self, limit: int) -> list[Spooled]:
        """Wait for and return the oldest deliveries not yet taken, at most `limit`."""

    async def done(self, taken: Sequence[Spooled]) -> None:
        """Forget deliveries whose facts the bus has; space is given back in bounded time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookOptions:
    """What a hook's configuration says beside its secrets; a forge heeds what it has a use for.

    `base_url` is where the forge's repositories are, for payloads that name none. `sha1` makes
    HMAC-SHA1 the signature that counts. `header`, in lower case, carries the secret itself.
    """

    base_url: str | None = None
    sha1: bool = False
    header: str | None = None


class Forge(Protocol):
    """A forge's webhooks as one hook gets them: pure functions over headers and bytes."""

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> None:
        """Return if any of `secrets` signed the raw `body`; Rejected otherwise. `headers`
        have lower-case names; `now` is in Unix seconds."""

    def delivery_id(self, headers: Mapping[str, str], body: bytes) -> str | None:
        """Return an id that a redelivery of this verified delivery has too, and no other delivery; None
        where nothing in it tells the two apart. It parses no body."""

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a verified delivery, in order; Rejected when it has no known form."""


# What an entry point of the group `hookfetch.forges` names, mostly a class. It may say in `HEEDS` which
# fields of HookOptions it has a use for (without it: any), and in `NEEDS` which it cannot do without.
ForgeFactory = Callable[[HookOptions], Forge]
