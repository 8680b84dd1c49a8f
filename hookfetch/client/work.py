"""What work on request returns, as frozen values, and how the contract's messages become them. Pure."""

from dataclasses import dataclass
from typing import Literal

from hookfetch.client.values import changes_of, ref_of
from hookfetch.core.digests import Digest
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Change
from hookfetch.v1 import jobs_pb2, sources_pb2

JobState = Literal["waiting", "running", "tracked", "failing", "held", "done", "ended", "unknown"]

_STATES: dict[int, JobState] = {
    jobs_pb2.JobProgress.STATE_WAITING: "waiting",
    jobs_pb2.JobProgress.STATE_RUNNING: "running",
    jobs_pb2.JobProgress.STATE_TRACKED: "tracked",
    jobs_pb2.JobProgress.STATE_FAILING: "failing",
    jobs_pb2.JobProgress.STATE_HELD: "held",
    jobs_pb2.JobProgress.STATE_DONE: "done",
    jobs_pb2.JobProgress.STATE_ENDED: "ended",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """An element was tracked: the sources that moved, and every source's ref."""

    changes: tuple[Change, ...]
    refs: tuple[SourceRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedSource:
    """A source with the ref that was fetched, its cache key, and the directory that is cached under it."""

    source: SourceRef
    key: str | None = None
    directory: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An element was fetched: whether its sources are in the cache, under which key, as which directory, and
    each of them."""

    cached: bool
    element_key: str | None
    sources: tuple[FetchedSource, ...]
    element_directory: Digest | None = None

    @property
    def refs(self) -> tuple[SourceRef, ...]:
        """Return every source's ref, as of `Tracked`."""
        return tuple(each.source for each in self.sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """The `directory` in which an element's sources are staged, complete in the source cache, and what was
    fetched for it."""

    directory: Digest
    fetched: Fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedSource:
    """A source with its newest ref, the key by which it is cached where that is known, and the address of its
    original where one is served."""

    source: SourceRef
    key: str | None = None
    original: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Where an element's sources are: `element_key` is theirs together, where it is known."""

    element_key: str | None
    sources: tuple[LocatedSource, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How a job stands. `state` is `unknown` where this client is too old for it; `attempt` counts from 1;
    `due_at` (Unix seconds) is when it is tried next, where it waits for that."""

    job: str
    state: JobState
    attempt: int = 0
    reason: str | None = None
    due_at: float | None = None


def tracked_of(message: sources_pb2.TrackResponse) -> Tracked:
    """Return the result in `message`."""
    return Tracked(changes=changes_of(message.changes), refs=tuple(map(source_of, message.refs)))


def fetched_of(message: sources_pb2.Fetched) -> Fetched:
    """Return the result in `message`."""
    return Fetched(
        cached=message.cached,
        element_key=message.element_key if message.HasField("element_key") else None,
        element_directory=_digest(message, "element_directory"),
        sources=tuple(
            FetchedSource(
                source=source_of(each.source),
                key=each.key if each.HasField("key") else None,
                directory=_digest(each, "directory"),
            )
            for each in message.sources
        ),
    )


def staged_of(message: sources_pb2.Staged) -> Staged:
    """Return the result in `message`."""
    directory = Digest(message.directory.hash, message.directory.size_bytes)
    return Staged(directory=directory, fetched=fetched_of(message.fetched))


def located_of(message: sources_pb2.LocateResponse) -> Located:
    """Return where the sources in `message` are."""
    return Located(
        element_key=message.element_key if message.HasField("element_key") else None,
        sources=tuple(
            LocatedSource(
                source=source_of(each.source),
                key=each.key if each.HasField("key") else None,
                original=each.original if each.HasField("original") else None,
            )
            for each in message.sources
        ),
    )


def progress_of(message: jobs_pb2.JobProgress) -> JobProgress:
    """Return how a job stands, as `message` says."""
    return JobProgress(
        job=message.job,
        state=_STATES.get(message.state, "unknown"),
        attempt=message.attempt,
        reason=message.reason if message.HasField("reason") else None,
        due_at=message.due_at if message.HasField("due_at") else None,
    )


def source_of(message: sources_pb2.SourceRef) -> SourceRef:
    """Return the source and its ref in `message`."""
    return SourceRef(
        index=message.index,
        kind=message.kind,
        url=message.url if message.HasField("url") else None,
        ref=ref_of(message.ref),
    )


def _digest(
    message: sources_pb2.Fetched | sources_pb2.FetchedSource,
    field: Literal["element_directory", "directory"],
) -> Digest | None:
    if not message.HasField(field):  # type: ignore[arg-type]  # each message has one of the two
        return None
    digest: sources_pb2.Digest = getattr(message, field)
    return Digest(digest.hash, digest.size_bytes)
