"""A branch or tag moved, a release came out: refresh the elements that follow it."""

from collections.abc import Iterable

from hookfetch.core.commands import Command, Conclude, Refresh
from hookfetch.core.events import BranchDeleted, BranchPushed, ReleasePublished, TagDeleted, TagPushed
from hookfetch.core.matching import Follower
from hookfetch.core.refs import holds
from hookfetch.core.repository import RepositoryId
from hookfetch.core.state import ProjectState

_WITHDRAWN = frozenset({"deleted", "unpublished", "delete"})


def on_pushed(event: BranchPushed | TagPushed, state: ProjectState) -> list[Command]:
    """Refresh each element with a source that follows the ref and is not at its commit already."""
    return _refresh(event.repositories, event.ref, event.target or event.after, state)


def on_released(event: ReleasePublished, state: ProjectState) -> list[Command]:
    """Treat a release as its tag's push; a withdrawn one, or one without a tag, moves nothing."""
    if event.tag is None or event.draft or event.action in _WITHDRAWN:
        return [Conclude(outcome="nothing to do", reason="no published tag")]
    return _refresh(event.repositories, f"refs/tags/{event.tag}", None, state)


def on_deleted(event: BranchDeleted | TagDeleted, state: ProjectState) -> list[Command]:
    """Move nothing: a source keeps its ref when the branch or tag behind it goes."""
    return [Conclude(outcome="nothing to do", reason=f"{event.ref} is gone; refs stay")]


def _refresh(
    repositories: Iterable[RepositoryId], ref: str, commit: str | None, state: ProjectState
) -> list[Command]:
    if state.index is None:
        # Nothing is lost: the sweep that follows the first good load asks this upstream.
        return [Conclude(outcome="nothing to do", reason=state.unhealthy)]
    followers = [
        follower
        for repository in repositories
        for follower in state.index.followers(repository)
        if follower.rule.matches(ref)
    ]
    if not followers:
        return [Conclude(outcome="nothing to do", reason=f"no element follows {ref}")]
    behind = dict.fromkeys(f.element for f in followers if not _is_at(f, ref, commit, state))
    if not behind:
        return [Conclude(outcome="nothing to do", reason=f"already at {commit}")]
    return [Refresh(element=element) for element in behind]


def _is_at(follower: Follower, ref: str, commit: str | None, state: ProjectState) -> bool:
    """Return whether the source needs no look: it holds the commit, no tag's name is part of its ref, and
    no job is about to give it another (of A→B and B→A the second may come before the first is done)."""
    if commit is None or (ref.startswith("refs/tags/") and follower.rule.tags):
        return False
    if state.busy(follower.element):
        return False
    known = state.proposed(follower.element).get(follower.source.index, follower.source.ref)
    return holds(known, commit)
