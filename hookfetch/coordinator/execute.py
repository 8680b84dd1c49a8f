"""Commands become rows: everything an event asks for, in its one transaction."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from hookfetch.core.commands import (
    Announce,
    Answer,
    Command,
    Conclude,
    FinishJob,
    Forgive,
    Hear,
    MoveOn,
    NoteTelling,
    Pause,
    RaiseAlarm,
    Recall,
    Refresh,
    Release,
    Resume,
    RetryJob,
    SetAside,
    TryNow,
)
from hookfetch.core.policy import Policy
from hookfetch.core.questions import Paused
from hookfetch.store import jobs, log, observed, pause, refs, rewrites, story


@dataclass(slots=True, kw_only=True)
class Execution:
    """Where an event's commands are stored. `answers` are sent once it is committed."""

    db: sqlite3.Connection
    project: str
    log_id: str
    event_id: str
    cause: str
    now: float
    policy: Policy
    answers: list[Answer] = field(default_factory=list)
    joined: list[bool] = field(default_factory=list)
    announced: dict[str, int] = field(default_factory=dict)

    def run(self, commands: Sequence[Command]) -> None:
        """Store each command in order; an event all of whose work joined waiting jobs is coalesced."""
        for command in commands:
            self._one(command)
        if self.joined and all(self.joined):
            log.conclude(self.db, self.event_id, "coalesced", None)

    def _one(self, command: Command) -> None:
        match command:
            case Refresh():
                policy = self.policy.of(command.element)
                self.joined.append(jobs.add(self.db, command, self.event_id, self.cause, self.now, policy))
            case Announce():
                behind = jobs.causes(self.db, command.job_id)
                entry = log.append(self.db, self.log_id, self.project, command, behind, self.now)
                refs.propose(self.db, command.element, command.changes, entry.number)
                self.announced[command.job_id] = entry.number
            case Recall(repository=repository, ref=ref, oid=oid):
                observed.recall(self.db, repository, ref, oid)
            case FinishJob(job_id=job_id, outcome=outcome, reason=reason):
                log.conclude_causes(self.db, job_id, outcome, reason)
                story.remember_end(self.db, job_id, outcome, reason, self.now, self.announced.get(job_id))
                jobs.finish(self.db, job_id)
            case RetryJob(job_id=job_id, delay=delay, reason=reason):
                jobs.put_back(self.db, job_id, self.now + delay, reason, failed=True)
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
            case TryNow(element=element):
                jobs.try_now(self.db, element, self.event_id, self.cause, self.now)
            case Forgive(element=element):
                jobs.forgive(self.db, element)
            case _:
                self._beside_jobs(command)

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
                jobs.forget_client(self.db, reply.request_id)
                self.answers.append(command)
            case Conclude(outcome=outcome, reason=reason):
                log.conclude(self.db, self.event_id, outcome, reason)
            case Pause(reason=reason, by=by):
                pause.pause(self.db, Paused(since=self.now, reason=reason, by=by))
            case Resume():
                pause.resume(self.db, self.now)
