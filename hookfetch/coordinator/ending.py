"""The end of a job that does not go out to a worker any more, and what those who wait for it are told."""

import sqlite3
from typing import Literal

from hookfetch.core.jobs import Progress, Reply
from hookfetch.store import clients, jobs, log, progress, story

Told = tuple[str, Reply | Progress]  # after the inbox that it is for


def end_unsent(
    db: sqlite3.Connection,
    job_id: str,
    element: str,
    outcome: Literal["failed", "unknown_element"],
    reason: str,
    now: float,
) -> list[Told]:
    """Forget a job, whose events end as nothing to do for `reason`; return the answer to each client that
    waits for it, and what its watchers hear."""
    told: list[Told] = [*progress.ending(db, job_id, done=False, reason=reason)]
    for client in clients.clients(db, job_id):
        reply = Reply(request_id=client.request_id, outcome=outcome, element=element, reason=reason)
        told.append((client.reply_to, reply))
    log.conclude_causes(db, job_id, "nothing to do", reason)
    story.remember_end(db, job_id, "nothing to do", reason, now, None)
    jobs.finish(db, job_id)
    return told
