"""The handlers' view of a project, read from the store inside an event's transaction."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from hookfetch.core.state import OpenJob, RetryPolicy, RunningJob
from hookfetch.core.supplied import SuppliedRules
from hookfetch.store import jobs, moves, observed, outage, pause, recipes, refs, rewrites, supplied
from hookfetch.store.standing import open_jobs, standing


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredState:
    """`core.state.ProjectState` over one transaction."""

    db: sqlite3.Connection
    now: float
    index: Index | None
    own: OwnBranch | None
    unhealthy: str | None
    epoch: int
    retry: RetryPolicy
    patience: Patience
    policy: Policy
    supplied_rules: SuppliedRules
    aliases: Mapping[str, str]

    @property
    def paused(self) -> bool:
        """Return whether background work rests."""
        return pause.paused(self.db) is not None

    @property
    def outage(self) -> Outage | None:
        """Return what is known of the source cache's outage."""
        return outage.current(self.db)

    def standing(self) -> Sequence[ElementStanding]:
        """Return how the elements with open jobs stand."""
        return standing(self.db, self.now)

    def kept_back(self) -> Sequence[str]:
        """Return the elements that a rewrite holds."""
        return rewrites.holding(self.db)

    def recipe(self, key: str) -> Recipe | None:
        """Return how what is cached under `key` can be made again."""
        return recipes.find(self.db, key)

    def supplied_jobs(self) -> int:
        """Return how many jobs for clients' own elements are open."""
        return supplied.count(self.db)

    def rewrites(self, element: str) -> Sequence[Rewrite]:
        """Return the rewrites that `element` was warned of."""
        return rewrites.of(self.db, element)

    def observed(self, repository: RepositoryId) -> Mapping[str, RemoteRef] | None:
        """Return what the sweep saw last."""
        return observed.observed(self.db, repository)

    def proposed(self, element: str) -> Mapping[int, Ref]:
        """Return the announced refs of `element` that differ from the branch's."""
        return refs.proposed(self.db, element)

    def moved(self, element: str) -> Mapping[int, SourceMove]:
        """Return what else than refs is announced of `element`."""
        return refs.moved(self.db, element)

    def pending_moves(self, element: str) -> Sequence[PendingMove]:
        """Return the newer versions that `element` is to go to, or could not."""
        return moves.of(self.db, element)

    def withdrawn(self, element: str) -> Mapping[int, Ref]:
        """Return the refs of `element` that a person put others in place of."""
        return refs.withdrawn(self.db, element)

    def busy(self, element: str) -> bool:
        """Return whether a job of `element` waits or runs."""
        return jobs.is_open(self.db, element)

    def waits(self, element: str) -> bool:
        """Return whether a job of `element` waits."""
        return jobs.waits(self.db, element)

    def jobs_of(self, element: str) -> Sequence[OpenJob]:
        """Return the open jobs of `element`."""
        return open_jobs(self.db, element)

    def running(self, job_id: str) -> RunningJob | None:
        """Return a job that is with the workers."""
        return jobs.running(self.db, job_id)
