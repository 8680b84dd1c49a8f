"""A project as handlers see it, and events in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from hookfetch.core.commands import Command, Refresh
from hookfetch.core.events import BranchPushed, TagPushed
from hookfetch.core.matching import Index
from hookfetch.core.moves import Patience, PendingMove, SourceMove
from hookfetch.core.observation import RemoteRef
from hookfetch.core.outage import Outage
from hookfetch.core.own import OwnBranch
from hookfetch.core.policy import Policy
from hookfetch.core.repository import RepositoryId, identify
from hookfetch.core.rewrites import Rewrite
from hookfetch.core.sources import Element, Ref, Source
from hookfetch.core.standing import ElementStanding
from hookfetch.core.state import OpenJob, RetryPolicy, RunningJob
from hookfetch.core.supplied import SuppliedRules

URL = "https://example.org/group/glib.git"
HERE = identify(URL)
assert HERE is not None
OLD, NEW, NEWER = "1" * 40, "2" * 40, "3" * 40

GLIB = Element(
    name="glib.bst",
    kind="meson",
    sources=(Source(index=0, kind="git_repo", urls=(URL,), track={"track": "main"}, ref=OLD),),
)
TAGGED = Element(
    name="tagged.bst",
    kind="meson",
    sources=(Source(index=0, kind="git_repo", urls=(URL,), track={"track": "v*"}, ref=f"v1-0-g{OLD}"),),
)


@dataclass
class State:
    """A project as a handler sees it."""

    index: Index | None = field(default_factory=lambda: Index.of([GLIB, TAGGED]))
    own: OwnBranch | None = None
    unhealthy: str | None = None
    epoch: int = 3
    retry: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(first=5.0, most=60.0, attempts=3, quarantine=3600.0)
    )
    refs: dict[str, dict[int, Ref]] = field(default_factory=dict)
    jobs: dict[str, RunningJob] = field(default_factory=dict)
    open_jobs: frozenset[str] = frozenset()
    work: dict[str, list[OpenJob]] = field(default_factory=dict)

    policy: Policy = field(default_factory=Policy)
    warned: dict[str, list[Rewrite]] = field(default_factory=dict)
    seen: dict[RepositoryId, dict[str, RemoteRef]] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    stands: list[ElementStanding] = field(default_factory=list)
    holding: list[str] = field(default_factory=list)
    paused: bool = False
    outage: Outage | None = None
    chosen: dict[str, dict[int, Ref]] = field(default_factory=dict)
    moves: dict[str, dict[int, SourceMove]] = field(default_factory=dict)
    pending: dict[str, list[PendingMove]] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)

    supplied_rules: ClassVar[SuppliedRules] = SuppliedRules()
    aliases: ClassVar[dict[str, str]] = {}

    def supplied_jobs(self) -> int:
        return 0

    def standing(self) -> list[ElementStanding]:
        return self.stands

    def kept_back(self) -> list[str]:
        return self.holding

    def rewrites(self, element: str) -> list[Rewrite]:
        return self.warned.get(element, [])

    def observed(self, repository: RepositoryId) -> Mapping[str, RemoteRef] | None:
        return self.seen.get(repository)

    def waits(self, element: str) -> bool:
        return element in self.waiting

    def proposed(self, element: str) -> Mapping[int, Ref]:
        return self.refs.get(element, {})

    def withdrawn(self, element: str) -> Mapping[int, Ref]:
        return self.chosen.get(element, {})

    def moved(self, element: str) -> Mapping[int, SourceMove]:
        return self.moves.get(element, {})

    def pending_moves(self, element: str) -> list[PendingMove]:
        return self.pending.get(element, [])

    def busy(self, element: str) -> bool:
        return element in self.open_jobs

    def jobs_of(self, element: str) -> list[OpenJob]:
        return self.work.get(element, [])

    def running(self, job_id: str) -> RunningJob | None:
        return self.jobs.get(job_id)


def pushed(ref: str = "refs/heads/main", after: str | None = NEW) -> BranchPushed:
    return BranchPushed(
        id="d#0", delivery_id="d", observed_at=0.0, repositories=(HERE,), ref=ref, after=after
    )


def tagged(ref: str, target: str = NEW) -> TagPushed:
    return TagPushed(id="d#0", delivery_id="d", observed_at=0.0, repositories=(HERE,), ref=ref, target=target)


def elements(commands: list[Command]) -> list[str]:
    return [command.element for command in commands if isinstance(command, Refresh)]
