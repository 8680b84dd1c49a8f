"""What a worker is asked to do, what moved by it, and what a client is told."""

from dataclasses import dataclass
from typing import Literal

from hookfetch.core.events import SourceRef
from hookfetch.core.sources import Ref

Priority = Literal["interactive", "background"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work on one element: track it if `track`, then fetch its sources and push them.

    `refs` are the refs to start from (proposed, else committed). `epoch` is the
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
    priority: Priority = "background"


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
    """The answer to a client's request: tracked refs, a finished fetch, or why not. `element` is empty
    where the whole project was meant. `elements` are those that are tried now, and `left` is how many
    more match; `paused` when they rest until the project is resumed."""

    request_id: str
    outcome: Literal[
        "tracked", "fetched", "failed", "unknown_element", "paused", "resumed", "retried", "released"
    ]
    element: str
    refs: tuple[SourceRef, ...] = ()
    changes: tuple[Change, ...] = ()
    cached: bool = False
    element_key: str | None = None
    source_keys: tuple[str, ...] = ()
    reason: str | None = None
    elements: tuple[str, ...] = ()
    left: int = 0
    paused: bool = False
