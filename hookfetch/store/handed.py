"""Jobs that are with the workers, or on their way there: has one begun, and is it wanted still?"""

import sqlite3

from hookfetch.core.joining import Handed
from hookfetch.store.jobs import forget_client


def give(db: sqlite3.Connection, job_id: str, basis: str) -> None:
    """Note what a job that is handed out is given."""
    db.execute("UPDATE jobs SET given = ? WHERE id = ?", (basis, job_id))


def begin(db: sqlite3.Connection, job_id: str, now: float) -> None:
    """Note that a job's worker looks at the upstream from now on."""
    db.execute("UPDATE jobs SET begun = 1 WHERE id = ? AND state = 'running'", (job_id,))
    db.execute(
        "INSERT OR REPLACE INTO started SELECT element, ? FROM jobs WHERE id = ? AND priority = 1",
        (now, job_id),
    )


def of(db: sqlite3.Connection, element: str) -> Handed | None:
    """Return the job of `element` that is handed out, or None."""
    row = db.execute(
        "SELECT id, track, priority, begun, given FROM jobs WHERE element = ? AND state = 'running'",
        (element,),
    ).fetchone()
    if row is None:
        return None
    job_id, track, priority, begun, given = row
    return Handed(id=job_id, track=bool(track), asked=priority == 0, begun=bool(begun), basis=given)


def withdraw(db: sqlite3.Connection, request_id: str) -> str | None:
    """Drop a client who left; return the job that nobody wants any more: that only clients asked for who
    have all left, and that has not begun."""
    row = db.execute("SELECT job_id FROM job_clients WHERE request_id = ?", (request_id,)).fetchone()
    if row is None:
        return None
    forget_client(db, request_id)
    unwanted = db.execute(
        "SELECT 1 FROM jobs WHERE id = ? AND failures = 0 AND (state = 'waiting' OR begun = 0)"
        " AND NOT EXISTS (SELECT 1 FROM job_clients WHERE job_id = jobs.id)"
        " AND NOT EXISTS (SELECT 1 FROM job_causes LEFT JOIN events ON events.id = job_causes.event_id"
        "  WHERE job_id = jobs.id AND coalesce(type, '') NOT IN"
        "   ('track_requested', 'fetch_requested', 'sources_requested'))",
        row,
    ).fetchone()
    return None if unwanted is None else str(row[0])
