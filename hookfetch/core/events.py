"""Facts in the past tense: what forges, sweeps, workers and clients tell a project's coordinator.

An event's `id` is where it came from, not what it says: `<delivery id>#<ordinal>` for a
forge's facts, so that A→B, B→A, A→B are three events and a redelivery is none.
"""

from dataclasses import dataclass, field
from typing import Literal

from hookfetch.core.asset_requests import LookRequested, SourcesRequested
from hookfetch.core.digests import Digest
from hookfetch.core.job_requests import ReloadRequested, WatchRequested
from hookfetch.core.moves import SourceMove, Unmoved, Upgrade
from hookfetch.core.operator_requests import (
    CancelRequested,
    PauseRequested,
    ReleaseRequested,
    ResumeRequested,
    RetryRequested,
)
from hookfetch.core.repository import RepositoryId
from hookfetch.core.sources import Ref
from hookfetch.core.supplied_requests import SuppliedRequested


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What every event about an upstream repository carries.

    `repositories` are its identities (a moved repository has two), `urls` as the payload
    writes them. `delivery_id` names the delivery or the sweep that brought it;
    `observed_at` is in Unix seconds.
    """

    id: str
    delivery_id: str
    observed_at: float
    repositories: tuple[RepositoryId, ...] = ()
    urls: tuple[str, ...] = ()
    sender: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchPushed(Fact):
    """A branch exists and points at `target` (a commit); `ref` is full (`refs/heads/…`).

    `before` and `after` are as the forge sends them: None where it sends none, and all
    zeros kept. `target` is None where the forge does not say.
    """

    ref: str
    before: str | None = None
    after: str | None = None
    target: str | None = None
    forced: bool | None = None
    type: Literal["branch_pushed"] = "branch_pushed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPushed(Fact):
    """A tag exists; `after` may be a tag object, `target` is the commit where known."""

    ref: str
    before: str | None = None
    after: str | None = None
    target: str | None = None
    forced: bool | None = None
    type: Literal["tag_pushed"] = "tag_pushed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchDeleted(Fact):
    """A branch is gone."""

    ref: str
    before: str | None = None
    after: str | None = None
    type: Literal["branch_deleted"] = "branch_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDeleted(Fact):
    """A tag is gone."""

    ref: str
    before: str | None = None
    after: str | None = None
    type: Literal["tag_deleted"] = "tag_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePublished(Fact):
    """A release was made, changed or withdrawn; `action` is the forge's word for it."""

    tag: str | None
    version: str | None = None
    action: str | None = None
    prerelease: bool | None = None
    draft: bool | None = None
    type: Literal["release_published"] = "release_published"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryMoved(Fact):
    """A repository was made, renamed, transferred, removed or made public; old and new
    names are both among `repositories` where the payload gives both."""

    action: str | None = None
    type: Literal["repository_changed"] = "repository_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChanged(Fact):
    """What is at `urls`, as elements write and resolve them, is another file than it was. Only the sweep
    says so, to its own project."""

    type: Literal["file_changed"] = "file_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFound(Fact):
    """A feed tells of a release that `element`, on the version `current`, is to be updated to. Only the
    poller says so, to its own project; whether it can be downloaded yet is not known.

    `tag` as git has it, where the feed tells. `feed` is the address that was read; `urls` are the release's
    files as the feed gives them, and `page` is where its notes are. `published` is in Unix seconds, by the
    feed's clock.
    """

    element: str
    current: str
    version: str
    feed: str
    tag: str | None = None
    page: str | None = None
    published: float | None = None
    prerelease: bool = False
    type: Literal["release_found"] = "release_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinged(Fact):
    """The forge tried the hook; nothing follows."""

    type: Literal["ping"] = "ping"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRef:
    """A source's ref as a worker found it; `index` counts within the element. `moved` is what else is not as
    the branch has it, since a newer version is announced, or is about to be."""

    index: int
    kind: str
    url: str | None
    ref: Ref
    moved: SourceMove | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """What a worker says of a job carries the `epoch` and `attempt` that it was handed out with."""

    id: str
    job_id: str
    epoch: int
    attempt: int
    element: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBegun(JobReport):
    """A worker is ready to begin and looks at no upstream before this is on its way: who asked before it
    sees what the job will see. The answer to `reply_to` says whether the job is wanted still."""

    reply_to: str
    type: Literal["job_begun"] = "job_begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTracked(JobReport):
    """A worker tracked an element: `refs` hold every source, moved or not. Its fetch goes on."""

    refs: tuple[SourceRef, ...]
    milliseconds: float
    type: Literal["job_tracked"] = "job_tracked"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDone(JobReport):
    """A worker finished an element. `cached` is true only if the remote source cache was asked and holds the
    whole tree of `refs`; false where the project has no cache. `revision` is as in the job. `descends` says
    by a git source's index whether its new commit descends from the one the job began with, where known. The
    directories are those that are cached under the keys, where the job was to tell them. A job that was to
    move the element says by `upgrade` that it did, or by `unmoved` why it only did all else."""

    refs: tuple[SourceRef, ...]
    cached: bool
    element_key: str | None
    source_keys: tuple[str, ...]
    milliseconds: dict[str, float]
    revision: str | None = None
    descends: dict[int, bool] = field(default_factory=dict)
    element_directory: Digest | None = None
    source_directories: tuple[Digest | None, ...] = ()
    upgrade: Upgrade | None = None
    unmoved: Unmoved | None = None
    type: Literal["job_done"] = "job_done"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed(JobReport):
    """BuildStream or an upstream refused; `reason` is one line for a person."""

    reason: str
    type: Literal["job_failed"] = "job_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHeld(JobReport):
    """A worker tracked an element, and could not have it cached: the source cache was not there, or was
    `left_alone`; `probed`: the job was to find out. `reason` is one line that names the server."""

    reason: str
    probed: bool = False
    left_alone: bool = False
    type: Literal["job_held"] = "job_held"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheAnswered(JobReport):
    """The source cache, which was not there, answered a worker; the job that asked it goes on."""

    type: Literal["cache_answered"] = "cache_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRequested:
    """A client asked to track an element now; the answer goes to `reply_to`."""

    id: str
    element: str
    reply_to: str | None = None
    type: Literal["track_requested"] = "track_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequested:
    """A client asked that an element's newest announced sources be in the cache."""

    id: str
    element: str
    reply_to: str | None = None
    type: Literal["fetch_requested"] = "fetch_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestWithdrawn:
    """The client who sent the request `request_id` left before the answer."""

    id: str
    request_id: str
    type: Literal["request_withdrawn"] = "request_withdrawn"


UpstreamFact = (
    BranchPushed | TagPushed | BranchDeleted | TagDeleted | ReleasePublished | RepositoryMoved | Pinged
)
SweptFact = UpstreamFact | FileChanged | ReleaseFound
Event = (
    SweptFact
    | JobBegun
    | JobTracked
    | JobDone
    | JobFailed
    | JobHeld
    | CacheAnswered
    | TrackRequested
    | FetchRequested
    | SourcesRequested
    | SuppliedRequested
    | LookRequested
    | RequestWithdrawn
    | WatchRequested
    | ReloadRequested
    | PauseRequested
    | ResumeRequested
    | RetryRequested
    | ReleaseRequested
    | CancelRequested
)
