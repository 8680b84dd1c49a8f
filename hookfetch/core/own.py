"""The branch of a project's own repository that is loaded: a push there is news of the project. Pure."""

from dataclasses import dataclass

from hookfetch.core.events import BranchDeleted, BranchPushed, TagDeleted, TagPushed
from hookfetch.core.matching import Follower
from hookfetch.core.refpatterns import RefPattern
from hookfetch.core.repository import RepositoryId
from hookfetch.core.sources import Source
from hookfetch.core.tracking import FollowRule


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBranch:
    """The full `ref` of `repository`, which `url` (a path, for one of this machine) leads to."""

    repository: RepositoryId
    url: str
    ref: str

    def moved_by(self, event: BranchPushed | TagPushed | BranchDeleted | TagDeleted) -> bool:
        """Return whether `event` is about this branch."""
        return event.ref == self.ref and self.repository in event.repositories

    def follower(self, revision: str | None) -> Follower:
        """Return the project as a follower of its branch, loaded at `revision`; it is no element."""
        source = Source(index=0, kind="git", urls=(self.url,), ref=revision)
        return Follower("", source, FollowRule(choices=((RefPattern(("",), self.ref),),)))
