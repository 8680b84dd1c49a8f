"""What handlers may look at: a project as its coordinator knows it. Read only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hookfetch.core.commands import Client
from hookfetch.core.matching import Index
from hookfetch.core.moves import Patience, PendingMove, SourceMove
from hookfetch.core.observation import RemoteRef
from hookfetch.core.outage import Outage
from hookfetch.core.own import OwnBranch
from hookfetch.core.policy import Policy
from hookfetch.core.recipes import Recipe
from hookfetch.core.repository import RepositoryId
from hookfetch.core.rewrites import Rewrite
from hookfetch.core.sources import Ref
from hookfetch.core.standing import ElementStanding
from hookfetch.core.supplied import SuppliedRules


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Seconds to the first retry, doubled up to `most`; after `attempts` failures in a row
    the element is set aside for `quarantine` seconds."""

    first: float
    most: float
    attempts: int
    quarantine: float

    def delay(self, failures: int) -> float:
        """Return the pause in seconds after the given number of failures in a row (from 1)."""
        return min(self.most, self.first * 2.0 ** min(failures - 1, 32))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """A job that is with the workers; `failures` counts those in a row before this attempt.
    `asked` is whether a person wants it: then nothing is held back. One that only fetches moves no ref."""

    id: str
    element: str
    attempt: int
    failures: int
    clients: tuple[Client, ...]
    asked: bool = False
    tracks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """A job that waits, or that is with the workers: then it `runs`, for the `attempt`th time."""

    id: str
    runs: bool
    attempt: int
    clients: tuple[Client, ...] = ()


class ProjectState(Protocol):
    """A consistent view of one project at the time of one event."""

    @property
    def index(self) -> Index | None:
        """Return the index of the last good load, or None before there is one."""

    @property
    def own(self) -> OwnBranch | None:
        """Return the branch that is loaded, or None for a checkout that is read as it is."""

    @property
    def unhealthy(self) -> str | None:
        """Return BuildStream's message when the project did not load."""

    @property
    def epoch(self) -> int:
        """Return this coordinator's epoch."""

    @property
    def retry(self) -> RetryPolicy:
        """Return the policy for elements that fail."""

    @property
    def patience(self) -> Patience:
        """Return how long a release is waited for that cannot be downloaded yet."""

    @property
    def policy(self) -> Policy:
        """Return the project's policy."""

    @property
    def paused(self) -> bool:
        """Return whether background work rests."""

    @property
    def outage(self) -> Outage | None:
        """Return what is known of the source cache's outage, None when it is there."""

    def standing(self) -> Sequence[ElementStanding]:
        """Return every element with an open job, those that want a person's look first."""

    def kept_back(self) -> Sequence[str]:
        """Return the elements that a rewrite holds, by name."""

    def recipe(self, key: str) -> Recipe | None:
        """Return how what is cached under `key` can be made again, None when that is not known (any more)."""

    @property
    def supplied_rules(self) -> SuppliedRules:
        """Return what clients' own elements may have."""

    @property
    def aliases(self) -> Mapping[str, str]:
        """Return what the project's own aliases stand for."""

    def supplied_jobs(self) -> int:
        """Return how many jobs for clients' own elements wait or run."""

    def rewrites(self, element: str) -> Sequence[Rewrite]:
        """Return the rewrites that `element` was warned of, in order; past ones only for a while."""

    def observed(self, repository: RepositoryId) -> Mapping[str, RemoteRef] | None:
        """Return what `repository` held at the sweep's last look, None before one."""

    def proposed(self, element: str) -> Mapping[int, Ref]:
        """Return the announced ref of each source of `element` that differs from the branch, by index."""

    def moved(self, element: str) -> Mapping[int, SourceMove]:
        """Return what else is announced of each source of `element` that is to be of a newer version."""

    def pending_moves(self, element: str) -> Sequence[PendingMove]:
        """Return the newer versions that `element` is to go to, or could not: one from each that it has."""

    def withdrawn(self, element: str) -> Mapping[int, Ref]:
        """Return the ref of each source of `element`, by index, in whose place a person put another one."""

    def busy(self, element: str) -> bool:
        """Return whether a job of `element` waits or runs, so that its refs may be about to change."""

    def waits(self, element: str) -> bool:
        """Return whether a job of `element` waits, to look again after any that runs."""

    def jobs_of(self, element: str) -> Sequence[OpenJob]:
        """Return the open jobs of `element`: at most one that runs, then at most one that waits."""

    def running(self, job_id: str) -> RunningJob | None:
        """Return a job that is with the workers, or None when it is not (any more)."""
