"""What a worker is asked to do, what moved by it, and what a client is told."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hookfetch.core.events import SourceRef
from hookfetch.core.sources import Element, Ref

Priority = Literal["interactive", "background"]
# What is done with the source cache: `probe` asks first whether it is there again, `away` leaves it alone
# and ends with what was tracked.
CacheUse = Literal["use", "probe", "away"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work on one element: track it if `track`, then fetch its sources and push them.

    `refs` are the refs to start from (proposed, else committed), `revision` the project's commit that
    its coordinator has loaded, None for a checkout that is read as it is. `epoch` is the
    coordinator's and `attempt` counts from 1: results carry both back, and stale ones are
    dropped.
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


def starting_refs(element: Element, proposed: Mapping[int, Ref]) -> tuple[SourceRef, ...]:
    """Return what a job of `element` starts from: what was announced last, else the branch's refs."""
    return tuple(
        SourceRef(
            index=source.index,
            kind=source.kind,
            url=source.urls[0] if source.urls else None,
            ref=proposed.get(source.index, source.ref),
        )
        for source in element.sources
    )


def basis(element: Element, refs: tuple[SourceRef, ...]) -> str:
    """Return a digest of what a job is given: two jobs with the same one look at the same sources, from
    the same refs."""
    return hashlib.sha256(repr((element.sources, refs)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One source that moved: `base` is committed in the branch, `previous` was announced last."""

    index: int
    kind: str
    url: str | None
    base: Ref
    previous: Ref
    ref: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a client's request: tracked refs, a finished fetch, or why not; to a worker, whether
    the job that it would begin is wanted. `element` is empty
    where the whole project was meant. `elements` are those that are tried now, or cancelled, and `left` is
    how many more match; `paused` when they rest until the project is resumed. What is unavailable is worth
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
    ]
    element: str
    refs: tuple[SourceRef, ...] = ()
    changes: tuple[Change, ...] = ()
    cached: bool = False
    element_key: str | None = None
    source_keys: tuple[str, ...] = ()
    reason: str | None = None
    retry_after: float | None = None
    elements: tuple[str, ...] = ()
    left: int = 0
    paused: bool = False
