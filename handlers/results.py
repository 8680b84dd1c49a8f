"""A worker reports: answer who waits, announce what moved, retry or set aside what failed."""

from collections.abc import Sequence
from dataclasses import replace

from hookfetch.core.commands import (
    Announce,
    Answer,
    BeginJob,
    CacheAnswers,
    Client,
    Command,
    Conclude,
    FinishJob,
    MoveOn,
    NoteTelling,
    RaiseAlarm,
    Recall,
    Release,
    Remember,
    RetryJob,
    SetAside,
)
from hookfetch.core.events import JobBegun, JobDone, JobFailed, JobTracked, SourceRef
from hookfetch.core.jobs import Change, Reply
from hookfetch.core.matching import Follower
from hookfetch.core.recipes import Recipe, key_of
from hookfetch.core.refs import commit_of, holds
from hookfetch.core.repository import RepositoryId, identify
from hookfetch.core.rewrites import ENGINE, Rewrite, diverged, forbids, only_name, retold
from hookfetch.core.state import ProjectState, RunningJob

_STALE = [Conclude(outcome="stale", reason="of an earlier epoch or attempt")]


def on_begun(event: JobBegun, state: ProjectState) -> list[Command]:
    """Let a worker begin, unless the job was taken back, handed out again or ended since it was sent."""
    job = _current(event, state)
    reply = Reply(request_id=event.id, outcome="unwanted" if job is None else "wanted", element=event.element)
    answer = Answer(reply_to=event.reply_to, reply=reply)
    if job is None:
        return [*_STALE, answer]
    return [Conclude(outcome="done"), BeginJob(job_id=job.id), answer]


def on_tracked(event: JobTracked, state: ProjectState) -> list[Command]:
    """Tell clients who asked to track; the job itself goes on to fetch."""
    job = _current(event, state)
    if job is None:
        return [*_STALE]
    changes = _changes(job.element, event.refs, state)
    return [
        Conclude(outcome="done"),
        *(
            Answer(reply_to=client.reply_to, reply=_tracked(client, job.element, event.refs, changes))
            for client in job.clients
            if client.wants == "track"
        ),
    ]


def on_done(event: JobDone, state: ProjectState) -> list[Command]:
    """Announce the sources that moved, now that the cache holds them, and tell who asked to fetch; or
    hold them back where the policy does not let the element follow rewritten history."""
    job = _current(event, state)
    if job is None:
        return [*_STALE]
    # The branch may have moved since a fetch began: its older refs are no news.
    changes = _changes(job.element, event.refs, state) if job.tracks else ()
    if not job.asked:
        withdrawn = state.withdrawn(job.element)
        changes = tuple(each for each in changes if withdrawn.get(each.index) != each.ref)
    tellings = _alarms(job, event, changes, state)
    news = [telling.rewrite for telling in tellings if isinstance(telling, RaiseAlarm)]
    known = [*news, *(rewrite for rewrite in state.rewrites(job.element) if not rewrite.past)]
    commands: list[Command] = [Conclude(outcome="done"), _recipe(event), *tellings]
    if not job.asked and (why := _held(changes, event, known, state)) is not None:
        aside = SetAside(job_id=job.id, delay=state.retry.quarantine, reason=f"held: {why}", held=True)
        return [*commands, aside]
    if changes:
        commands.append(
            Announce(
                element=job.element,
                changes=changes,
                cached=event.cached,
                element_key=event.element_key,
                source_keys=event.source_keys,
                job_id=job.id,
            )
        )
    commands += _ahead(changes, event.element, state)
    commands += _past(job, event, changes, known, state)
    if event.cached and state.outage is not None:
        commands.append(CacheAnswers(proved=True))
    commands.append(FinishJob(job_id=job.id))
    return commands + [
        Answer(
            reply_to=client.reply_to,
            reply=Reply(
                request_id=client.request_id,
                outcome="fetched",
                element=job.element,
                refs=event.refs,
                changes=changes,
                cached=event.cached,
                element_key=event.element_key,
                source_keys=event.source_keys,
            ),
        )
        for client in job.clients
        if client.wants == "fetch"
    ]


def on_failed(event: JobFailed, state: ProjectState) -> list[Command]:
    """Try again later, or set the element aside after the policy's number of failures in a row."""
    job = _current(event, state)
    if job is None:
        return [*_STALE]
    failures = job.failures + 1
    again: Command
    if key_of(job.element) is not None:  # whoever misses it still asks again
        again = FinishJob(job_id=job.id, reason=event.reason)
    elif failures >= state.retry.attempts:
        again = SetAside(job_id=job.id, delay=state.retry.quarantine, reason=event.reason)
    else:
        again = RetryJob(job_id=job.id, delay=state.retry.delay(failures), reason=event.reason)
    answers = [
        Answer(
            reply_to=client.reply_to,
            reply=Reply(
                request_id=client.request_id, outcome="failed", element=job.element, reason=event.reason
            ),
        )
        for client in job.clients
    ]
    return [Conclude(outcome="done"), *answers, again]


def _recipe(event: JobDone) -> Remember:
    keys = event.source_keys if event.element_key is None else (event.element_key, *event.source_keys)
    return Remember(keys=keys, recipe=Recipe(element=event.element, revision=event.revision, refs=event.refs))


def _current(event: JobBegun | JobTracked | JobDone | JobFailed, state: ProjectState) -> RunningJob | None:
    job = state.running(event.job_id) if event.epoch == state.epoch else None
    return job if job is not None and job.attempt == event.attempt else None


def _changes(element: str, refs: Sequence[SourceRef], state: ProjectState) -> tuple[Change, ...]:
    """Return the sources whose ref is not the one announced last (or, before that, committed)."""
    known = state.index.element(element) if state.index is not None else None
    if known is None or state.policy.stays(element) is not None:  # perhaps only since the job began
        return ()
    proposed = state.proposed(element)
    committed = {source.index: source.ref for source in known.sources}
    return tuple(
        Change(
            index=found.index,
            kind=found.kind,
            url=found.url,
            base=committed[found.index],
            previous=previous,
            ref=found.ref,
        )
        for found in refs
        if found.index in committed
        and found.ref is not None
        and found.ref != (previous := proposed.get(found.index, committed[found.index]))
    )


def _alarms(
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


def _held(
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


def _ahead(changes: Sequence[Change], element: str, state: ProjectState) -> list[Command]:
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


def _past(
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


def _tracked(client: Client, element: str, refs: tuple[SourceRef, ...], changes: tuple[Change, ...]) -> Reply:
    return Reply(request_id=client.request_id, outcome="tracked", element=element, refs=refs, changes=changes)
