"""What a worker is asked to do, what moved by it, and what a client is told."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from hookfetch.core.digests import Digest
from hookfetch.core.events import SourceRef
from hookfetch.core.moves import SourceMove, WantedMove
from hookfetch.core.sources import Element, Ref
from hookfetch.core.supplied import SuppliedSource

Priority = Literal["interactive", "background"]
# What is done with the source cache: `probe` asks first whether it is there again, `away` leaves it alone
# and ends with what was tracked.
CacheUse = Literal["use", "probe", "away"]
# `failing` waits to be tried again, `held` waits for the source cache, `done` and `ended` are over.
JobState = Literal["waiting", "running", "tracked", "failing", "held", "done", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work on one element: track it if `track`, then fetch its sources and push them.

    `refs` are the refs to start from (proposed, else committed), `revision` the project's commit that
    its coordinator has loaded, None for a checkout that is read as it is. `epoch` is the
    coordinator's and `attempt` counts from 1: results carry both back, and stale ones are
    dropped. With `supplied` sources, which a client brought, it is for them, in no element of the
    project; then it only tracks, if `track`. With a `move` it begins by that, and does all else without it if
    the release cannot be had.
    """

    id: str
    project: str
    element: str
    epoch: int
    attempt: int = 1
    track: bool
    refs: tuple[SourceRef, ...] = ()
    revision: str | None = None
    priority: Priority = "background"
    cache: CacheUse = "use"
    supplied: tuple[SuppliedSource, ...] = ()
    move: WantedMove | None = None

    @property
    def tells_directories(self) -> bool:
        """Return whether a client may wait for its end, and hear which directories are cached then. Of others
        that is not asked for, since each source costs a question."""
        return self.priority == "interactive" or not self.track


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledOff:
    """Nobody wants these `attempts` any more, by job id, that a coordinator handed out in `epoch`: told to
    all workers, as a question is, and answered by none."""

    id: str
    epoch: int
    attempts: dict[str, int]
    type: Literal["called_off"] = "called_off"

    def means(self, job: Job) -> bool:
        """Return whether `job` is one of them."""
        return job.epoch == self.epoch and job.attempt == self.attempts.get(job.id)


def starting_refs(
    element: Element,
    proposed: Mapping[int, Ref],
    moved: Mapping[int, SourceMove] = MappingProxyType({}),
) -> tuple[SourceRef, ...]:
    """Return what a job of `element` starts from: what was announced last, else the branch's refs."""
    return tuple(
        SourceRef(
            index=source.index,
            kind=source.kind,
            url=source.urls[0] if source.urls else None,
            ref=proposed.get(source.index, source.ref),
            moved=moved.get(source.index),
        )
        for source in element.sources
    )


def basis(element: Element, refs: tuple[SourceRef, ...], move: WantedMove | None = None) -> str:
    """Return a digest of what a job is given: two jobs with the same one look at the same sources, from
    the same refs, and for the same version."""
    return hashlib.sha256(repr((element.sources, refs, move)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One source that moved: `base` is committed in the branch, `previous` was announced last. With a newer
    version `moved` is what changes beside the ref, `url` is then the new one, and `base_url` the branch's."""

    index: int
    kind: str
    url: str | None
    base: Ref
    previous: Ref
    ref: Ref
    base_url: str | None = None
    moved: SourceMove | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What a load of the branch found: its commit (None for a checkout), and how many elements were `added`,
    `changed` and `removed` by it."""

    revision: str | None = None
    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a client's request: tracked refs, a finished fetch, or why not; to a worker, whether
    the job that it would begin is wanted. `element` is empty
    where the whole project was meant. `elements` are those that are tried now, or cancelled, and `left` is
    how many more match; `paused` when they rest until the project is resumed. `field` is the place
    in a client's element that is not allowed. What is unavailable is worth
    asking for again `retry_after` seconds later."""

    request_id: str
    outcome: Literal[
        "tracked",
        "fetched",
        "failed",
        "unknown_element",
        "unavailable",
        "paused",
        "resumed",
        "retried",
        "released",
        "cancelled",
        "wanted",
        "unwanted",
        "not_allowed",
        "no_job",
        "reloaded",
    ]
    element: str
    refs: tuple[SourceRef, ...] = ()
    changes: tuple[Change, ...] = ()
    cached: bool = False
    element_key: str | None = None
    source_keys: tuple[str, ...] = ()
    element_directory: Digest | None = None
    source_directories: tuple[Digest | None, ...] = ()
    reason: str | None = None
    retry_after: float | None = None
    elements: tuple[str, ...] = ()
    left: int = 0
    paused: bool = False
    reloaded: Reloaded | None = None
    field: str | None = None
    type: Literal["reply"] = "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How a job stands now, told to those of one inbox who wait for it. Lost, it costs nothing: what comes
    next says it all. `due_at` (Unix seconds) is when it is tried next, where it waits for that."""

    request_ids: tuple[str, ...]
    job_id: str
    state: JobState
    attempt: int = 0
    reason: str | None = None
    due_at: float | None = None
    type: Literal["progress"] = "progress"
