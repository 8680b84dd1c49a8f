"""A branch or tag moved, a release came out: refresh the elements that follow it."""

from collections.abc import Iterable
from dataclasses import replace

from hookfetch.core.commands import (
    Command,
    Conclude,
    Hear,
    MoveOn,
    NoteTelling,
    RaiseAlarm,
    Refresh,
    Release,
    Reload,
)
from hookfetch.core.entries import AlarmKind
from hookfetch.core.events import BranchDeleted, BranchPushed, ReleasePublished, TagDeleted, TagPushed
from hookfetch.core.matching import Follower
from hookfetch.core.refs import holds
from hookfetch.core.repository import RepositoryId
from hookfetch.core.rewrites import Rewrite, concerns, only_name, retold, rewritten, supersedes
from hookfetch.core.state import ProjectState

_WITHDRAWN = frozenset({"deleted", "unpublished", "delete"})


def on_pushed(event: BranchPushed | TagPushed, state: ProjectState) -> list[Command]:
    """Refresh each element with a source that follows the ref and is not at its commit already; warn
    those whose history was rewritten."""
    commit = event.target or event.after
    follows = _refresh(event.repositories, event.ref, commit, state)
    return [*_warn(event, commit, state), *_hear(event, state), *_reloaded(event, follows, state)]


def on_released(event: ReleasePublished, state: ProjectState) -> list[Command]:
    """Treat a release as its tag's push; a withdrawn one, or one without a tag, moves nothing."""
    if event.tag is None or event.draft or event.action in _WITHDRAWN:
        return [Conclude(outcome="nothing to do", reason="no published tag")]
    return _refresh(event.repositories, f"refs/tags/{event.tag}", None, state)


def on_deleted(event: BranchDeleted | TagDeleted, state: ProjectState) -> list[Command]:
    """Warn who follows it. A source keeps its ref when the branch or tag behind it goes, unless there
    may be another to fall back to and the policy lets it."""
    warnings = _warn(event, None, state)
    follows: list[Command] = []
    back = dict.fromkeys(
        follower.element
        for repository in event.repositories
        for follower in (state.index.followers(repository) if state.index is not None else ())
        if follower.rule.matches(event.ref)
        and only_name(follower.rule) is None
        and not state.policy.of(follower.element).holds(_kind(event))
    )
    if back:
        follows += [Refresh(element=element) for element in back]
    else:
        follows.append(Conclude(outcome="nothing to do", reason=f"{event.ref} is gone; refs stay"))
    return [*warnings, *_reloaded(event, follows, state)]


def _reloaded(
    event: BranchPushed | TagPushed | BranchDeleted | TagDeleted,
    follows: list[Command],
    state: ProjectState,
) -> list[Command]:
    """Return what follows for elements, and for the project where the event is about its own branch."""
    if state.own is None or not state.own.moved_by(event):
        return follows
    work: list[Command] = [command for command in follows if isinstance(command, Refresh)]
    return [Reload(), *(work or [Conclude(outcome="done", reason="the project is loaded again")])]


def _hear(event: BranchPushed | TagPushed, state: ProjectState) -> list[Command]:
    """Return what is to be remembered of a tag that the sweep has not seen yet: of a glob, only who knew
    it where it was can tell later that it moved."""
    oid = event.after or event.target
    if not isinstance(event, TagPushed) or oid is None or state.index is None:
        return []
    peeled = event.target if event.target != oid else None
    return [
        Hear(repository=repository, ref=event.ref, oid=oid, peeled=peeled)
        for repository in event.repositories
        if event.ref not in (state.observed(repository) or {})
        and any(
            follower.rule.matches(event.ref) and only_name(follower.rule) is None
            for follower in state.index.followers(repository)
        )
    ]


def _kind(event: BranchDeleted | TagDeleted) -> AlarmKind:
    return "tag_deleted" if isinstance(event, TagDeleted) else "branch_deleted"


def _warn(
    event: BranchPushed | TagPushed | BranchDeleted | TagDeleted, commit: str | None, state: ProjectState
) -> list[Command]:
    """Return an alarm for each element whose history the fact says was rewritten, once a cause."""
    commands: dict[tuple[str, str], Command] = {}
    for repository in event.repositories:
        for follower in state.index.followers(repository) if state.index is not None else ():
            if not follower.rule.matches(event.ref):
                continue
            known = state.rewrites(follower.element)
            alarm = _alarm(event, commit, repository, follower, state)
            again = None if alarm is None else retold(alarm, event.id, known)
            if alarm is not None:
                telling = _telling(alarm, again, event.id)
                commands.setdefault((follower.element, repository), telling)
            for gone in known if commit is not None else ():
                if gone.past or not gone.removed or gone.repository != repository:
                    continue
                # There again: should it go once more, that is news.
                if gone.ref == event.ref:
                    commands.setdefault((gone.element, str(gone.number)), MoveOn(rewrite=gone))
                elif gone.held and (alarm is None or again) and supersedes(follower, event.ref, gone.ref):
                    commands.setdefault((gone.element, str(gone.number)), Release(rewrite=gone))
    return list(commands.values())


def _telling(alarm: Rewrite, again: Rewrite | None, by: str) -> Command:
    if again is None:
        return RaiseAlarm(rewrite=replace(alarm, told_by=(by,)))
    # It may be no late word after all: what the policy holds is held, and let go by the next job if
    # the upstream is not there.
    held = alarm.held and (again.past or again.held)
    return NoteTelling(rewrite=replace(again, held=held, past=again.past and not held), by=by)


def _alarm(
    event: BranchPushed | TagPushed | BranchDeleted | TagDeleted,
    commit: str | None,
    repository: RepositoryId,
    follower: Follower,
    state: ProjectState,
) -> Rewrite | None:
    same = (
        known
        for known in reversed(state.rewrites(follower.element))
        if not known.past and (known.repository, known.ref) == (repository, event.ref)
    )
    found = rewritten(event, next(same, None))
    if found is None:
        return None
    kind, before = found
    current = state.proposed(follower.element).get(follower.source.index, follower.source.ref)
    seen = (state.observed(repository) or {}).get(event.ref)
    if not concerns(follower, event.ref, before, seen, current):
        return None
    there = commit is not None and holds(current, commit)
    return Rewrite(
        element=follower.element,
        repository=repository,
        ref=event.ref,
        kind=kind,
        before=before,
        after=None if commit is None else event.after or commit,
        target=commit,
        held=not there and state.policy.of(follower.element).holds(kind),
    )


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
    release = f"{ref} {commit or ''}".rstrip() if ref.startswith("refs/tags/") else None
    return [Refresh(element=element, release=release) for element in behind]


def _is_at(follower: Follower, ref: str, commit: str | None, state: ProjectState) -> bool:
    """Return whether the source needs no look: it holds the commit, no tag's name is part of its ref, and
    no job is about to give it another (of A→B and B→A the second may come before the first is done)."""
    if commit is None or (ref.startswith("refs/tags/") and follower.rule.tags):
        return False
    if state.busy(follower.element):
        return False
    known = state.proposed(follower.element).get(follower.source.index, follower.source.ref)
    return holds(known, commit)
