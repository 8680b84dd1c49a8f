"""Jobs that are with the workers, or on their way there: has one begun, and is it wanted still?"""

import sqlite3
from dataclasses import dataclass

from hookfetch.core.joining import Handed
from hookfetch.core.supplied import is_supplied
from hookfetch.store import clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwanted:
    """A job that nobody wants any more, and which `attempt` at it goes on, if one has begun."""

    job_id: str
    attempt: int | None


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


def withdraw(db: sqlite3.Connection, request_id: str) -> Unwanted | None:
    """Drop a client who left; return the job that nobody wants any more: that only clients asked for who
    have all left, and that has not begun, or is for what they brought."""
    row = db.execute("SELECT job_id, wants FROM job_clients WHERE request_id = ?", (request_id,)).fetchone()
    if row is None:
        return None
    clients.forget(db, request_id)
    if row[1] == "watch":
        return None
    found = db.execute(
        "SELECT element, attempt, state = 'running' AND begun > 0 FROM jobs WHERE id = ? AND failures = 0"
        " AND NOT EXISTS (SELECT 1 FROM job_clients WHERE job_id = jobs.id AND wants != 'watch')"
        " AND NOT EXISTS (SELECT 1 FROM job_causes LEFT JOIN events ON events.id = job_causes.event_id"
        "  WHERE job_id = jobs.id AND coalesce(type, '') NOT IN"
        "   ('track_requested', 'fetch_requested', 'sources_requested', 'look_requested',"
        "   'supplied_requested'))",
        row[:1],
    ).fetchone()
    if found is None:
        return None
    element, attempt, begun = found
    if begun and not is_supplied(element):  # what it finds is of use to the project
        return None
    return Unwanted(job_id=row[0], attempt=attempt if begun else None)
