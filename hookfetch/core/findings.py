"""What a job found, beside what is followed: which history was rewritten, what is held back for it, and what
is past. Pure: the commands that follow, as a handler returns them.
"""

from collections.abc import Sequence
from dataclasses import replace

from hookfetch.core.commands import Command, MoveOn, NoteTelling, RaiseAlarm, Recall, Release
from hookfetch.core.events import JobDone
from hookfetch.core.jobs import Change
from hookfetch.core.matching import Follower
from hookfetch.core.refs import commit_of, holds
from hookfetch.core.repository import RepositoryId, identify
from hookfetch.core.rewrites import ENGINE, Rewrite, diverged, forbids, only_name, retold
from hookfetch.core.state import ProjectState, RunningJob


def alarms(
    job: RunningJob, event: JobDone, changes: Sequence[Change], state: ProjectState
) -> list[RaiseAlarm | NoteTelling]:
    """Return what the engine found rewritten: as an alarm what nobody told before."""
    policy = state.policy.of(job.element)
    known = list(state.rewrites(job.element))
    tellings: list[RaiseAlarm | NoteTelling] = []
    for change in changes:
        if event.descends.get(change.index) is not False:
            continue
        repository, follower = _followed(job.element, change.index, state)
        if repository is None or follower is None:
            continue
        found = diverged(
            follower, repository, state.observed(repository), before=change.previous, after=change.ref
        )
        if found is None:
            continue
        again = retold(found, ENGINE, known)
        if again is None:
            held = policy.holds(found.kind) and not job.asked
            known.append(replace(found, held=held, told_by=(ENGINE,)))  # of two sources the first tells
            tellings.append(RaiseAlarm(rewrite=known[-1], job_id=job.id))
        elif again.number:
            tellings.append(NoteTelling(rewrite=again, by=ENGINE))
    return tellings


def why_held(
    changes: Sequence[Change], event: JobDone, known: Sequence[Rewrite], state: ProjectState
) -> str | None:
    """Return why the changes are held back, None when they are not."""
    for change in changes:
        repository, follower = _followed(event.element, change.index, state)
        for rewrite in known:
            mine = follower is not None and follower.rule.matches(rewrite.ref)
            if (
                mine
                and rewrite.repository == repository
                and forbids(rewrite, change.ref, event.descends.get(change.index))
            ):
                return f"{rewrite.kind.replace('_', ' ')}: {rewrite.ref} of {rewrite.repository}"
    return None


def ahead(changes: Sequence[Change], element: str, state: ProjectState) -> list[Command]:
    """Return where the announced changes are ahead of what the sweep saw last."""
    commands: list[Command] = []
    for change in changes:
        repository, follower = _followed(element, change.index, state)
        if repository is None or follower is None:
            continue
        seen = state.observed(repository) or {}
        for ref in follower.rule.selects(seen):
            if not holds(change.ref, seen[ref].commit):
                # Of a glob, nobody knows which ref it is that was taken.
                oid = None if only_name(follower.rule) is None else commit_of(change.ref)
                commands.append(Recall(repository=repository, ref=ref, oid=oid))
    return commands


def past(
    job: RunningJob,
    event: JobDone,
    changes: Sequence[Change],
    known: Sequence[Rewrite],
    state: ProjectState,
) -> list[Command]:
    """Return which rewrites the element is past, and which hold it no more since a person decided."""
    moved = {change.index for change in changes}
    waits = state.waits(job.element)  # whose look is later than this one
    commands: list[Command] = []
    for rewrite in known:
        mine = [
            found
            for found in event.refs
            if (place := _followed(job.element, found.index, state))[0] == rewrite.repository
            and place[1] is not None
            and place[1].rule.matches(rewrite.ref)
        ]
        there = any(
            holds(found.ref, end)
            for found in mine
            for end in (rewrite.after, rewrite.target)
            if end is not None
        )
        left = any(found.index in moved for found in mine) if rewrite.removed else not there
        if left and not waits:
            commands.append(MoveOn(rewrite=rewrite))
        elif rewrite.held and (job.asked or there):
            commands.append(Release(rewrite=rewrite))
    return commands


def _followed(element: str, index: int, state: ProjectState) -> tuple[RepositoryId | None, Follower | None]:
    """Return the repository behind a source's own URL, and how the source follows it."""
    known = state.index.element(element) if state.index is not None else None
    source = next((s for s in known.sources if s.index == index), None) if known is not None else None
    repository = identify(source.urls[0]) if source is not None and source.urls else None
    if repository is None or state.index is None:
        return None, None
    mine = (f for f in state.index.followers(repository) if f.element == element)
    return repository, next((f for f in mine if f.source.index == index), None)
