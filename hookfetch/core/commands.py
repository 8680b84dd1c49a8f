"""What a handler asks for. The coordinator stores all commands of an event in one transaction."""

from dataclasses import dataclass
from typing import Literal

from hookfetch.core.cache_commands import CacheCommand
from hookfetch.core.jobs import Change, Priority, Reply
from hookfetch.core.moves import Upgrade, WantedMove
from hookfetch.core.recipes import Recipe
from hookfetch.core.repository import RepositoryId
from hookfetch.core.rewrites import Rewrite
from hookfetch.core.supplied import SuppliedSource

Outcome = Literal["done", "nothing to do", "coalesced", "set aside", "stale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client who waits for an answer, or watches: its request and its inbox."""

    request_id: str
    reply_to: str
    wants: Literal["track", "fetch", "watch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """Work on `element`: track it if `track`, then fetch and push. Joins the element's job that has not
    begun, if there is one; behind one that has, what `core.joining` says. `release` is the tag behind it,
    with its commit where that is known: in the background it is to have the policy's age."""

    element: str
    track: bool = True
    priority: Priority | Literal["ahead"] = "background"
    client: Client | None = None
    release: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """Load the project's branch again: something happened to it, or the client with the inbox `reply_to`
    wants it. Not stored, for whoever becomes the coordinator loads it anyway."""

    reply_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    """Append to the log that `element` moved, and hold the new refs as proposed."""

    element: str
    changes: tuple[Change, ...]
    cached: bool
    element_key: str | None
    source_keys: tuple[str, ...]
    job_id: str
    upgrade: Upgrade | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """The next job of `element` moves it to a newer version, whatever became of an earlier release."""

    element: str
    wanted: WantedMove


@dataclass(frozen=True, slots=True, kw_only=True)
class Postpone:
    """The move of `element` to `version` was in vain, for `reason`; it is tried again after `delay` seconds,
    or, without, not any more."""

    element: str
    version: str
    reason: str
    delay: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """`element` needs not move to `version` any more: it did, or follows its upstream there anyway."""

    element: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseAlarm:
    """Append to the log that history was rewritten, and remember it; `job_id` names the job that
    found it, None where the event itself says so."""

    rewrite: Rewrite
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTelling:
    """The event `by` tells of a known rewrite, too: no alarm, but it may hold its element anew."""

    rewrite: Rewrite
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The rewrite holds its element no more; it is remembered until the element has moved on."""

    rewrite: Rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveOn:
    """The element is past a rewrite: it holds nothing any more, and another one is news."""

    rewrite: Rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """An element went ahead of the sweep's last look: let the next one compare `ref` with `oid`, or
    tell it anew where that is None. Else an upstream that is back by then would look unmoved."""

    repository: RepositoryId
    ref: str
    oid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hear:
    """A forge said that a new `ref` is there, at `oid` and, where that is a tag's, at the commit `peeled`:
    let the sweep's next look compare with it. Else one that moves before then would look new."""

    repository: RepositoryId
    ref: str
    oid: str
    peeled: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginJob:
    """The job's worker looks at the upstream from now on: what is asked later is not answered by it."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTracked:
    """The refs of the job that runs are known; it goes on."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attend:
    """`client` is told how the job stands until it is over, and it is none the more wanted for that."""

    job_id: str
    client: Client


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishJob:
    """The job is over; the events that caused it end with `outcome`."""

    job_id: str
    outcome: Outcome = "done"
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOff:
    """The workers are told that nobody wants the job's `attempt` any more. Not stored, and perhaps not
    heard: then it runs on for nothing, and its results are stale."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryJob:
    """The job waits `delay` seconds and runs again."""

    job_id: str
    delay: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """The job's element is quarantined for `delay` seconds; its events end as set aside,
    and the job itself waits until then. A `held` one has not failed: any new event of its
    element has it look again."""

    job_id: str
    delay: float
    reason: str
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Nobody waits for the answer to the request `request_id`: a job that has not begun, and that nothing
    else asked for, is dropped."""

    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TryNow:
    """The waiting job of `element` is due now; its failures, and what holds it, stay."""

    element: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgive:
    """The failures of `element` are forgotten, and it is not set aside any more."""

    element: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Send `reply` to a client. Transient: a client that missed it asks again."""

    reply_to: str
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclude:
    """The event itself ends here."""

    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember:
    """By `recipe` what is cached under each of `keys` can be made again."""

    keys: tuple[str, ...]
    recipe: Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepSupplied:
    """The job of this name is for `sources`, which a client brought; they are forgotten with it."""

    name: str
    sources: tuple[SuppliedSource, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The project's background work rests until `Resume`; `by` is the address that asked."""

    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """The project's background work goes on."""


Command = (
    Refresh
    | Reload
    | Announce
    | Want
    | Postpone
    | Arrived
    | RaiseAlarm
    | NoteTelling
    | Release
    | MoveOn
    | Recall
    | Hear
    | BeginJob
    | NoteTracked
    | Attend
    | FinishJob
    | CallOff
    | RetryJob
    | CacheCommand
    | SetAside
    | Withdraw
    | TryNow
    | Forgive
    | Answer
    | Conclude
    | Remember
    | KeepSupplied
    | Pause
    | Resume
)
