"""A worker reports: answer who waits, announce what moved, retry or set aside what failed."""

from collections.abc import Sequence

from hookfetch.core.commands import Announce, Answer, Client, Command, Conclude, FinishJob, RetryJob, SetAside
from hookfetch.core.events import JobDone, JobFailed, JobTracked, SourceRef
from hookfetch.core.jobs import Change, Reply
from hookfetch.core.state import ProjectState, RunningJob

_STALE = [Conclude(outcome="stale", reason="of an earlier epoch or attempt")]


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
    """Announce the sources that moved, now that the cache holds them, and tell who asked to fetch."""
    job = _current(event, state)
    if job is None:
        return [*_STALE]
    changes = _changes(job.element, event.refs, state)
    commands: list[Command] = [Conclude(outcome="done")]
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
    if failures >= state.retry.attempts:
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


def _current(event: JobTracked | JobDone | JobFailed, state: ProjectState) -> RunningJob | None:
    job = state.running(event.job_id) if event.epoch == state.epoch else None
    return job if job is not None and job.attempt == event.attempt else None


def _changes(element: str, refs: Sequence[SourceRef], state: ProjectState) -> tuple[Change, ...]:
    """Return the sources whose ref is not the one announced last (or, before that, committed)."""
    known = state.index.element(element) if state.index is not None else None
    if known is None:
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


def _tracked(client: Client, element: str, refs: tuple[SourceRef, ...], changes: tuple[Change, ...]) -> Reply:
    return Reply(request_id=client.request_id, outcome="tracked", element=element, refs=refs, changes=changes)
