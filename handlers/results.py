"""A worker reports: answer who waits, announce what moved, retry or set aside what failed."""

from collections.abc import Sequence

from hookfetch.core import findings
from hookfetch.core.cache_commands import CacheAnswers
from hookfetch.core.commands import (
    Announce,
    Answer,
    Arrived,
    BeginJob,
    Client,
    Command,
    Conclude,
    FinishJob,
    NoteTracked,
    Postpone,
    RaiseAlarm,
    Remember,
    RetryJob,
    SetAside,
)
from hookfetch.core.events import JobBegun, JobDone, JobFailed, JobTracked, SourceRef
from hookfetch.core.jobs import Change, Reply
from hookfetch.core.recipes import Recipe, key_of
from hookfetch.core.state import ProjectState, RunningJob
from hookfetch.core.supplied import is_supplied

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
        NoteTracked(job_id=job.id),
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
        kept = tuple(each for each in changes if withdrawn.get(each.index) != each.ref)
        # The sources of a newer version move together or not at all.
        changes = kept if event.upgrade is None or len(kept) == len(changes) else ()
    tellings = findings.alarms(job, event, changes, state)
    news = [telling.rewrite for telling in tellings if isinstance(telling, RaiseAlarm)]
    known = [*news, *(rewrite for rewrite in state.rewrites(job.element) if not rewrite.past)]
    commands: list[Command] = [Conclude(outcome="done"), *_recipe(event), *tellings]
    if not job.asked and (why := findings.why_held(changes, event, known, state)) is not None:
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
                upgrade=event.upgrade,
            )
        )
    commands += _of_move(event, changes, state)
    commands += findings.ahead(changes, event.element, state)
    commands += findings.past(job, event, changes, known, state)
    if event.cached and state.outage is not None:
        commands.append(CacheAnswers(proved=True))
    commands.append(FinishJob(job_id=job.id))
    for client in job.clients:
        if client.wants == "fetch":
            reply = _fetched(client, job.element, event, changes)
        elif (stays := state.policy.stays(job.element)) is not None:  # only since it was asked for
            reply = Reply(request_id=client.request_id, outcome="failed", element=job.element, reason=stays)
        else:  # whom nobody told when it was tracked: what says so was lost
            reply = _tracked(client, job.element, event.refs, changes)
        commands.append(Answer(reply_to=client.reply_to, reply=reply))
    return commands


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


def _of_move(event: JobDone, changes: Sequence[Change], state: ProjectState) -> list[Command]:
    """Return what becomes of the move to a newer version that the job was to make."""
    if event.upgrade is not None:
        return [Arrived(element=event.element, version=event.upgrade.new)]
    unmoved = event.unmoved
    if unmoved is None:
        return []
    if changes and not unmoved.waits:  # tracking found it: a git source follows its tags
        return [Arrived(element=event.element, version=unmoved.version)]
    pending = state.pending_moves(event.element)
    tries = next((each.tries for each in pending if each.wanted.version == unmoved.version), 0)
    delay = state.patience.delay(tries + 1) if unmoved.waits else None
    return [Postpone(element=event.element, version=unmoved.version, reason=unmoved.reason, delay=delay)]


def _recipe(event: JobDone) -> list[Command]:
    if is_supplied(event.element):
        return []  # nobody else is to have it made again
    keys = event.source_keys if event.element_key is None else (event.element_key, *event.source_keys)
    recipe = Recipe(element=event.element, revision=event.revision, refs=event.refs)
    return [Remember(keys=keys, recipe=recipe)]


def _current(event: JobBegun | JobTracked | JobDone | JobFailed, state: ProjectState) -> RunningJob | None:
    job = state.running(event.job_id) if event.epoch == state.epoch else None
    return job if job is not None and job.attempt == event.attempt else None


def _changes(element: str, refs: Sequence[SourceRef], state: ProjectState) -> tuple[Change, ...]:
    """Return the sources whose ref is not the one announced last (or, before that, committed)."""
    known = state.index.element(element) if state.index is not None else None
    if known is None or state.policy.stays(element) is not None:  # perhaps only since the job began
        return ()
    proposed = state.proposed(element)
    moved = state.moved(element)
    committed = {source.index: source.ref for source in known.sources}
    urls = {source.index: source.urls for source in known.sources}
    return tuple(
        Change(
            index=found.index,
            kind=found.kind,
            url=found.url,
            base=committed[found.index],
            previous=proposed.get(found.index, committed[found.index]),
            ref=found.ref,
            base_url=None if found.moved is None else next(iter(urls[found.index]), None),
            moved=found.moved,
        )
        for found in refs
        if found.index in committed
        and found.ref is not None
        and (
            found.ref != proposed.get(found.index, committed[found.index])
            or found.moved != moved.get(found.index)
        )
    )


def _fetched(client: Client, element: str, event: JobDone, changes: tuple[Change, ...]) -> Reply:
    return Reply(
        request_id=client.request_id,
        outcome="fetched",
        element=element,
        refs=event.refs,
        changes=changes,
        cached=event.cached,
        element_key=event.element_key,
        source_keys=event.source_keys,
        element_directory=event.element_directory,
        source_directories=event.source_directories,
    )


def _tracked(client: Client, element: str, refs: tuple[SourceRef, ...], changes: tuple[Change, ...]) -> Reply:
    return Reply(request_id=client.request_id, outcome="tracked", element=element, refs=refs, changes=changes)
