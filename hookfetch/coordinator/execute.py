"""Commands become rows: everything an event asks for, in its one transaction."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from hookfetch.core.cache_commands import CacheAnswers, CacheIsAway, HoldForCache, TakeBackQueued
from hookfetch.core.commands import (
    Announce,
    Answer,
    Arrived,
    Attend,
    BeginJob,
    CallOff,
    Command,
    Conclude,
    FinishJob,
    Forgive,
    Hear,
    KeepSupplied,
    MoveOn,
    NoteTelling,
    NoteTracked,
    Outcome,
    Pause,
    Postpone,
    RaiseAlarm,
    Recall,
    Refresh,
    Release,
    Reload,
    Remember,
    Resume,
    RetryJob,
    SetAside,
    TryNow,
    Want,
    Withdraw,
)
from hookfetch.core.jobs import Progress, basis, starting_refs
from hookfetch.core.joining import joining
from hookfetch.core.matching import Index
from hookfetch.core.policy import Policy
from hookfetch.core.questions import Paused
from hookfetch.core.recipes import key_of
from hookfetch.store import (
    clients,
    handed,
    jobs,
    log,
    moves,
    observed,
    outage,
    pause,
    progress,
    recipes,
    refs,
    rewrites,
    story,
    supplied,
)

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Execution:
    """Where an event's commands are stored. `answers` are sent, attempts by job id are `called_off`, and the
    project is loaded again (`reload`), once it is committed. `told` is what each inbox hears of the jobs that
    changed."""

    db: sqlite3.Connection
    project: str
    log_id: str
    event_id: str
    cause: str
    now: float
    policy: Policy
    index: Index | None = None
    answers: list[Answer] = field(default_factory=list)
    called_off: dict[str, int] = field(default_factory=dict)
    told: list[tuple[str, Progress]] = field(default_factory=list)
    reload: Reload | None = None
    changed: dict[str, None] = field(default_factory=dict)
    joined: list[bool] = field(default_factory=list)
    announced: dict[str, int] = field(default_factory=dict)

    def run(self, commands: Sequence[Command]) -> None:
        """Store each command in order; an event all of whose work joined waiting jobs is coalesced."""
        for command in commands:
            self._one(command)
        for job_id in self.changed:
            self.told += progress.of(self.db, job_id, self.now)
        if self.joined and all(self.joined):
            log.conclude(self.db, self.event_id, "coalesced", None)

    def _one(self, command: Command) -> None:
        match command:
            case Refresh():
                self.joined.append(self._refresh(command))
                if command.client is not None:
                    self._changed(clients.job_of(self.db, command.client.request_id))
            case Reload():
                self.reload = command
            case Withdraw(request_id=request_id):
                unwanted = handed.withdraw(self.db, request_id)
                if unwanted is not None:
                    self._end(unwanted.job_id, "nothing to do", "who asked for it left")
                    if unwanted.attempt is not None:
                        self.called_off[unwanted.job_id] = unwanted.attempt
            case TryNow(element=element):
                jobs.try_now(self.db, element, self.event_id, self.cause, self.now)
                outage.probe_now(self.db, element, self.now)
            case Forgive(element=element):
                jobs.forgive(self.db, element)
            case _:
                self._of_progress(command)

    def _of_progress(self, command: Command) -> None:
        match command:
            case BeginJob(job_id=job_id):
                handed.begin(self.db, job_id, self.now)
                self._changed(job_id)
            case NoteTracked(job_id=job_id):
                progress.tracked(self.db, job_id)
                self._changed(job_id)
            case Attend(job_id=job_id, client=client):
                clients.attend(self.db, job_id, client)
                self._changed(job_id)
            case _:
                self._of_results(command)

    def _of_results(self, command: Command) -> None:
        match command:
            case Announce():
                behind = jobs.causes(self.db, command.job_id)
                entry = log.append(self.db, self.log_id, self.project, command, behind, self.now)
                refs.propose(self.db, command.element, command.changes, entry.number)
                self.announced[command.job_id] = entry.number
            case Recall(repository=repository, ref=ref, oid=oid):
                observed.recall(self.db, repository, ref, oid)
            case FinishJob(job_id=job_id, outcome=outcome, reason=reason):
                self._end(job_id, outcome, reason)
            case CallOff(job_id=job_id, attempt=attempt):
                self.called_off[job_id] = attempt
            case RetryJob(job_id=job_id, delay=delay, reason=reason):
                jobs.put_back(self.db, job_id, self.now + delay, reason, failed=True)
                self._changed(job_id)
            case SetAside(job_id=job_id, delay=delay, reason=reason, held=held):
                log.conclude_causes(self.db, job_id, "set aside", reason)
                jobs.put_back(
                    self.db,
                    job_id,
                    self.now + delay,
                    reason,
                    failed=not held,
                    set_aside_at=self.now,
                    held=held,
                )
                self._changed(job_id)
            case _:
                self._beside_jobs(command)

    def _changed(self, job_id: str | None) -> None:
        if job_id is not None:
            self.changed[job_id] = None

    def _end(self, job_id: str, outcome: Outcome, reason: str | None) -> None:
        self.told += progress.ending(
            self.db, job_id, done=outcome == "done" and reason is None, reason=reason
        )
        log.conclude_causes(self.db, job_id, outcome, reason)
        story.remember_end(self.db, job_id, outcome, reason, self.now, self.announced.get(job_id))
        jobs.finish(self.db, job_id)

    def _refresh(self, refresh: Refresh) -> bool:
        """Return whether it joined a job that was there."""
        policy = self.policy.of(refresh.element)
        young = refresh.release is not None and policy.minimum_age > 0 and refresh.priority != "interactive"
        with_worker = handed.of(self.db, refresh.element)
        if with_worker is not None and not young:
            how = joining(refresh, with_worker, self._basis(refresh))
            if how == "join":
                jobs.join(self.db, with_worker.id, refresh, self.event_id, self.cause)
                return True
            if how == "take back":  # what is on its way to a worker is unwanted there
                jobs.put_back(self.db, with_worker.id, self.now, None, failed=False)
        return jobs.add(self.db, refresh, self.event_id, self.cause, self.now, policy)

    def _basis(self, refresh: Refresh) -> str | None:
        name = refresh.element
        if key_of(name) is not None:
            return name  # a recipe's job is always given the same
        element = None if self.index is None else self.index.element(name)
        if element is None:
            return None
        starting = starting_refs(element, refs.proposed(self.db, name), refs.moved(self.db, name))
        if not refresh.track or self.policy.stays(name) is not None:
            return basis(element, starting)
        return basis(element, starting, moves.for_job(self.db, name, asked=refresh.priority == "interactive"))

    def _beside_jobs(self, command: Command) -> None:
        match command:
            case RaiseAlarm(rewrite=rewrite, job_id=found_by):
                told_by = (self.cause,) if found_by is None else jobs.causes(self.db, found_by)
                log.append_alarm(self.db, self.log_id, self.project, rewrite, told_by, self.now)
                rewrites.remember(self.db, rewrite, self.now)
            case NoteTelling(rewrite=rewrite, by=by):
                rewrites.note_telling(self.db, rewrite, by)
            case Release(rewrite=rewrite):
                rewrites.release(self.db, rewrite)
            case MoveOn(rewrite=rewrite):
                rewrites.move_on(self.db, rewrite)
            case Hear():
                observed.hear(self.db, command)
            case Answer(reply=reply):
                clients.forget(self.db, reply.request_id)
                self.answers.append(command)
            case Conclude(outcome=outcome, reason=reason):
                log.conclude(self.db, self.event_id, outcome, reason)
            case Pause(reason=reason, by=by):
                pause.pause(self.db, Paused(since=self.now, reason=reason, by=by))
            case Resume():
                pause.resume(self.db, self.now)
            case _:
                self._of_releases(command)

    def _of_releases(self, command: Command) -> None:
        match command:
            case Want(element=element, wanted=wanted):
                moves.want(self.db, element, wanted, self.event_id, self.cause, self.now)
            case Postpone(element=element, version=version, reason=reason, delay=delay):
                due = None if delay is None else self.now + delay
                moves.postpone(self.db, element, version, reason, due)
                _log.warning(
                    "not moved",
                    project=self.project,
                    element=element,
                    version=version,
                    reason=reason,
                    again_in=delay,
                )
            case Arrived(element=element, version=version):
                moves.arrived(self.db, element, version, self.now)
            case _:
                self._about_cache(command)

    def _about_cache(self, command: Command) -> None:
        match command:
            case CacheIsAway(reason=reason, pause=seconds):
                if outage.begin(self.db, self.now, reason, seconds):
                    _log.warning("source cache away", project=self.project, reason=reason)
            case HoldForCache(job_id=job_id):
                jobs.hold_for_cache(self.db, job_id, outage.reason_to_hold(self.db))
                self._changed(job_id)
            case TakeBackQueued():
                jobs.take_back_queued(self.db, self.now)
            case Remember(keys=keys, recipe=recipe):
                recipes.remember(self.db, keys, recipe, self.now)
            case KeepSupplied(name=name, sources=sources):
                supplied.keep(self.db, name, sources)
            case CacheAnswers(proved=proved):
                for job_id in progress.held_jobs(self.db):
                    self._changed(job_id)
                since = outage.end(self.db, self.now, proved=proved)
                if since is not None:
                    _log.info("source cache back", project=self.project, seconds=round(self.now - since, 1))
