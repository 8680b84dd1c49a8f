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
    Refresh,
    RetryJob,
    SetAside,
)
from hookfetch.store import jobs, log, refs


@dataclass(slots=True, kw_only=True)
class Execution:
    """Where an event's commands are stored. `answers` are sent once it is committed."""

    db: sqlite3.Connection
    project: str
    log_id: str
    event_id: str
    cause: str
    now: float
    answers: list[Answer] = field(default_factory=list)
    joined: list[bool] = field(default_factory=list)

    def run(self, commands: Sequence[Command]) -> None:
        """Store each command in order; an event all of whose work joined waiting jobs is coalesced."""
        for command in commands:
            self._one(command)
        if self.joined and all(self.joined):
            log.conclude(self.db, self.event_id, "coalesced", None)

    def _one(self, command: Command) -> None:
        match command:
            case Refresh():
                self.joined.append(jobs.add(self.db, command, self.event_id, self.cause, self.now))
            case Announce():
                behind = jobs.causes(self.db, command.job_id)
                entry = log.append(self.db, self.log_id, self.project, command, behind, self.now)
                refs.propose(self.db, command.element, command.changes, entry.number)
            case FinishJob(job_id=job_id, outcome=outcome, reason=reason):
                log.conclude_causes(self.db, job_id, outcome, reason)
                jobs.finish(self.db, job_id)
            case RetryJob(job_id=job_id, delay=delay, reason=reason):
                jobs.put_back(self.db, job_id, self.now + delay, reason, failed=True)
            case SetAside(job_id=job_id, delay=delay, reason=reason):
                log.conclude_causes(self.db, job_id, "set aside", reason)
                jobs.put_back(self.db, job_id, self.now + delay, reason, failed=True, set_aside_at=self.now)
            case Answer(reply=reply):
                jobs.forget_client(self.db, reply.request_id)
                self.answers.append(command)
            case Conclude(outcome=outcome, reason=reason):
                log.conclude(self.db, self.event_id, outcome, reason)
