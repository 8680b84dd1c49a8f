"""Jobs in the store: coalesced per element, due by time, handed out in order of priority."""

import sqlite3
import uuid
from dataclasses import dataclass

from hookfetch.core.commands import Client, Refresh
from hookfetch.core.state import RunningJob


@dataclass(frozen=True, slots=True, kw_only=True)
class DueJob:
    """A job that was just marked as handed out."""

    id: str
    element: str
    track: bool
    interactive: bool
    attempt: int


def add(db: sqlite3.Connection, refresh: Refresh, event_id: str, cause: str, now: float) -> bool:
    """Join the element's waiting job or make one; return whether it joined.

    A background request keeps a waiting job's due time (its backoff or quarantine holds);
    an interactive one makes it due now.
    """
    priority = 0 if refresh.priority == "interactive" else 1
    row = db.execute(
        "SELECT id FROM jobs WHERE element = ? AND state = 'waiting'", (refresh.element,)
    ).fetchone()
    if row is None:
        job_id = uuid.uuid4().hex
        db.execute(
            "INSERT INTO jobs (id, element, state, track, priority, due_at)"
            " VALUES (?, ?, 'waiting', ?, ?, ?)",
            (job_id, refresh.element, refresh.track, priority, now),
        )
    else:
        job_id = row[0]
        db.execute(
            "UPDATE jobs SET track = max(track, ?), priority = min(priority, ?),"
            " due_at = CASE WHEN ? = 0 THEN min(due_at, ?) ELSE due_at END WHERE id = ?",
            (refresh.track, priority, priority, now, job_id),
        )
    db.execute("INSERT OR IGNORE INTO job_causes VALUES (?, ?, ?)", (job_id, event_id, cause))
    if refresh.client is not None:
        client = refresh.client
        db.execute(
            "INSERT OR IGNORE INTO job_clients VALUES (?, ?, ?, ?)",
            (job_id, client.request_id, client.reply_to, client.wants),
        )
    return row is not None


def hand_out(db: sqlite3.Connection, now: float, most: int) -> list[DueJob]:
    """Mark due jobs as running, interactive ones first, so that at most `most` run at once and
    never two of one element; return them."""
    room = most - db.execute("SELECT count(*) FROM jobs WHERE state = 'running'").fetchone()[0]
    rows = db.execute(
        "SELECT id, element, track, priority, attempt FROM jobs AS waiting"
        " WHERE state = 'waiting' AND due_at <= ?"
        " AND NOT EXISTS (SELECT 1 FROM jobs WHERE element = waiting.element AND state = 'running')"
        " ORDER BY priority, due_at LIMIT ?",
        (now, max(room, 0)),
    ).fetchall()
    db.executemany(
        "UPDATE jobs SET state = 'running', attempt = attempt + 1, handed_out_at = ? WHERE id = ?",
        [(now, row[0]) for row in rows],
    )
    return [
        DueJob(id=job_id, element=element, track=bool(track), interactive=priority == 0, attempt=attempt + 1)
        for job_id, element, track, priority, attempt in rows
    ]


def next_due(db: sqlite3.Connection) -> float | None:
    """Return when the next waiting job is due that no running one of its element holds up."""
    row = db.execute(
        "SELECT min(due_at) FROM jobs AS waiting WHERE state = 'waiting'"
        " AND NOT EXISTS (SELECT 1 FROM jobs WHERE element = waiting.element AND state = 'running')"
    ).fetchone()
    return None if row[0] is None else float(row[0])


def running(db: sqlite3.Connection, job_id: str) -> RunningJob | None:
    """Return a job that is handed out, with the clients that wait for it."""
    row = db.execute(
        "SELECT element, attempt, failures FROM jobs WHERE id = ? AND state = 'running'", (job_id,)
    ).fetchone()
    if row is None:
        return None
    clients = db.execute(
        "SELECT request_id, reply_to, wants FROM job_clients WHERE job_id = ? ORDER BY request_id", (job_id,)
    ).fetchall()
    return RunningJob(
        id=job_id,
        element=row[0],
        attempt=row[1],
        failures=row[2],
        clients=tuple(Client(request_id=r, reply_to=to, wants=wants) for r, to, wants in clients),
    )


def is_open(db: sqlite3.Connection, element: str) -> bool:
    """Return whether a job of `element` waits or is handed out."""
    return db.execute("SELECT 1 FROM jobs WHERE element = ?", (element,)).fetchone() is not None


def causes(db: sqlite3.Connection, job_id: str) -> tuple[str, ...]:
    """Return the deliveries, sweeps and requests behind a job, sorted."""
    rows = db.execute("SELECT DISTINCT cause FROM job_causes WHERE job_id = ? ORDER BY cause", (job_id,))
    return tuple(row[0] for row in rows)


def finish(db: sqlite3.Connection, job_id: str) -> None:
    """Forget a job that is done."""
    db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))


def put_back(
    db: sqlite3.Connection,
    job_id: str,
    due_at: float,
    reason: str,
    *,
    failed: bool,
    set_aside_at: float | None = None,
) -> None:
    """Make a running job wait until `due_at`. If another one of its element waits already,
    they become one, with the causes and clients of both; a client who still waits makes it
    due at once."""
    other = db.execute(
        "SELECT other.id, other.track FROM jobs JOIN jobs AS other USING (element)"
        " WHERE jobs.id = ? AND other.state = 'waiting'",
        (job_id,),
    ).fetchone()
    if other is not None:
        db.execute("UPDATE OR IGNORE job_causes SET job_id = ? WHERE job_id = ?", (job_id, other[0]))
        db.execute("UPDATE OR IGNORE job_clients SET job_id = ? WHERE job_id = ?", (job_id, other[0]))
        db.execute("DELETE FROM jobs WHERE id = ?", (other[0],))
        db.execute("UPDATE jobs SET track = max(track, ?) WHERE id = ?", (other[1], job_id))
    awaited = db.execute("SELECT 1 FROM job_clients WHERE job_id = ?", (job_id,)).fetchone() is not None
    db.execute(
        "UPDATE jobs SET state = 'waiting', priority = ?, due_at = ?, reason = ?, failures = failures + ?,"
        " set_aside_at = ?, handed_out_at = NULL WHERE id = ?",
        (0 if awaited else 1, 0.0 if awaited else due_at, reason, failed, set_aside_at, job_id),
    )


def forget_client(db: sqlite3.Connection, request_id: str) -> None:
    """Drop a client who was answered, whichever job it waited for."""
    db.execute("DELETE FROM job_clients WHERE request_id = ?", (request_id,))


def take_back(db: sqlite3.Connection, handed_out_before: float, now: float, reason: str) -> int:
    """Make jobs wait again that were handed out before the given time; return how many."""
    rows = db.execute(
        "SELECT id FROM jobs WHERE state = 'running' AND handed_out_at < ?", (handed_out_before,)
    ).fetchall()
    for (job_id,) in rows:
        put_back(db, job_id, now, reason, failed=False)
    return len(rows)
