"""Jobs in the store: coalesced per element, due by time, handed out in order of priority."""

import sqlite3
import uuid
from dataclasses import dataclass

from hookfetch.core.commands import Refresh
from hookfetch.core.policy import ElementPolicy
from hookfetch.core.state import RunningJob
from hookfetch.store.clients import clients

# What is held for the source cache goes out for a client alone, who may want but to track.
_NOT_HELD = (
    "(awaits_cache = 0 OR EXISTS (SELECT 1 FROM job_clients WHERE job_id = waiting.id AND wants != 'watch'))"
)
_PRIORITIES = {"interactive": 0, "background": 1, "ahead": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class DueJob:
    """A job that was just marked as handed out."""

    id: str
    element: str
    track: bool
    interactive: bool
    attempt: int


def add(
    db: sqlite3.Connection,
    refresh: Refresh,
    event_id: str,
    cause: str,
    now: float,
    policy: ElementPolicy = ElementPolicy(),  # noqa: B008 (frozen)
) -> bool:
    """Join the element's waiting job or make one; return whether it joined.

    A background request postpones a waiting job as `policy` says, but keeps the due time of one
    that failed (its backoff or quarantine holds); an interactive one makes it due now.
    """
    priority = _PRIORITIES[refresh.priority]
    row = db.execute(
        "SELECT id, asked_at, priority, failures, held, due_at FROM jobs"
        " WHERE element = ? AND state = 'waiting'",
        (refresh.element,),
    ).fetchone()
    started = db.execute("SELECT started_at FROM started WHERE element = ?", (refresh.element,)).fetchone()
    # A held job begins anew with the first event after it was set aside.
    first = now if row is None or row[4] else row[1]
    released = _heard(db, refresh, now) if policy.minimum_age else None
    due = now if priority == 0 else policy.due(now, first, None if started is None else started[0], released)
    if row is None:
        job_id = uuid.uuid4().hex
        db.execute(
            "INSERT INTO jobs (id, element, state, track, priority, due_at, asked_at)"
            " VALUES (?, ?, 'waiting', ?, ?, ?, ?)",
            (job_id, refresh.element, refresh.track, priority, due, now),
        )
    else:
        job_id = row[0]
        if priority > 0 and policy.minimum_age and not row[4]:  # what else comes does not let a young tag in
            due = max(due, row[5])
        db.execute(
            "UPDATE jobs SET track = max(track, ?), priority = min(priority, ?), asked_at = ?, held = 0"
            " WHERE id = ?",
            (refresh.track, priority, first, job_id),
        )
        if priority == 0:
            db.execute("UPDATE jobs SET due_at = min(due_at, ?) WHERE id = ?", (due, job_id))
        elif row[2] > 0 and priority == 1 and row[3] == 0:
            db.execute("UPDATE jobs SET due_at = ?, set_aside_at = NULL WHERE id = ?", (due, job_id))
    join(db, job_id, refresh, event_id, cause)
    return row is not None


def join(db: sqlite3.Connection, job_id: str, refresh: Refresh, event_id: str, cause: str) -> None:
    """Let a job be for an event, and for the client who waits for it, too."""
    db.execute("INSERT OR IGNORE INTO job_causes VALUES (?, ?, ?)", (job_id, event_id, cause))
    if refresh.client is not None:
        client = refresh.client
        db.execute(
            "INSERT OR IGNORE INTO job_clients VALUES (?, ?, ?, ?)",
            (job_id, client.request_id, client.reply_to, client.wants),
        )


def _heard(db: sqlite3.Connection, refresh: Refresh, now: float) -> float | None:
    """Return when the release behind `refresh` was heard of first, while its element's work is open."""
    if refresh.release is None:
        return None
    key = (refresh.element, refresh.release)
    db.execute("INSERT OR IGNORE INTO ripening VALUES (?, ?, ?)", (*key, now))
    row = db.execute("SELECT heard_at FROM ripening WHERE element = ? AND release = ?", key).fetchone()
    return float(row[0])


def hand_out(
    db: sqlite3.Connection, now: float, most: int, *, queued: int | None = None, paused: bool = False
) -> list[DueJob]:
    """Mark due jobs as running, interactive ones first, so that of each priority at most `most` run at
    once, at most `queued` of them not begun yet, and never two of one element; return them. `paused`
    leaves those in the background."""
    rows: list[tuple[str, str, int, int, int]] = []
    for priority in (0,) if paused else (0, 1, 2):
        if priority == 2 and rows:
            break  # all else comes first
        running, idle = db.execute(
            "SELECT count(*), total(begun = 0) FROM jobs WHERE state = 'running' AND priority = ?",
            (priority,),
        ).fetchone()
        room = most - running if queued is None else min(most - running, queued - int(idle))
        rows += db.execute(
            "SELECT id, element, track, priority, attempt FROM jobs AS waiting"  # noqa: S608 (a constant)
            f" WHERE state = 'waiting' AND due_at <= ? AND priority = ? AND {_NOT_HELD}"
            " AND NOT EXISTS (SELECT 1 FROM jobs WHERE element = waiting.element AND state = 'running')"
            " ORDER BY due_at LIMIT ?",
            (now, priority, max(room, 0)),
        ).fetchall()
    db.executemany(
        "UPDATE jobs SET state = 'running', attempt = attempt + 1, handed_out_at = ?, begun = 0,"
        " given = NULL, awaits_cache = 0 WHERE id = ?",
        [(now, row[0]) for row in rows],
    )
    return [
        DueJob(id=job_id, element=element, track=bool(track), interactive=priority == 0, attempt=attempt + 1)
        for job_id, element, track, priority, attempt in rows
    ]


def next_due(db: sqlite3.Connection, *, paused: bool = False) -> float | None:
    """Return when the next waiting job is due that no running one of its element holds up; `paused`
    leaves those in the background."""
    row = db.execute(
        "SELECT min(due_at) FROM jobs AS waiting WHERE state = 'waiting'"  # noqa: S608 (the same)
        f" AND priority <= ? AND {_NOT_HELD}"
        " AND NOT EXISTS (SELECT 1 FROM jobs WHERE element = waiting.element AND state = 'running')",
        (0 if paused else 2,),
    ).fetchone()
    return None if row[0] is None else float(row[0])


def waiting_ahead(db: sqlite3.Connection) -> int:
    """Return of how many elements the sources are to be fetched that nobody has asked for yet."""
    return int(db.execute("SELECT count(*) FROM jobs WHERE priority = 2").fetchone()[0])


def running(db: sqlite3.Connection, job_id: str) -> RunningJob | None:
    """Return a job that is handed out, with the clients that wait for it."""
    row = db.execute(
        "SELECT element, attempt, failures, priority, track FROM jobs WHERE id = ? AND state = 'running'",
        (job_id,),
    ).fetchone()
    if row is None:
        return None
    return RunningJob(
        id=job_id,
        element=row[0],
        attempt=row[1],
        failures=row[2],
        asked=row[3] == 0,
        tracks=bool(row[4]),
        clients=clients(db, job_id),
    )


def is_open(db: sqlite3.Connection, element: str) -> bool:
    """Return whether a job of `element` waits or is handed out."""
    return db.execute("SELECT 1 FROM jobs WHERE element = ?", (element,)).fetchone() is not None


def waits(db: sqlite3.Connection, element: str) -> bool:
    """Return whether a job of `element` waits."""
    query = "SELECT 1 FROM jobs WHERE element = ? AND state = 'waiting'"
    return db.execute(query, (element,)).fetchone() is not None


def causes(db: sqlite3.Connection, job_id: str) -> tuple[str, ...]:
    """Return the deliveries, sweeps and requests behind a job, sorted."""
    rows = db.execute("SELECT DISTINCT cause FROM job_causes WHERE job_id = ? ORDER BY cause", (job_id,))
    return tuple(row[0] for row in rows)


def finish(db: sqlite3.Connection, job_id: str) -> None:
    """Forget a job that is done."""
    db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
    db.execute("DELETE FROM ripening WHERE element NOT IN (SELECT element FROM jobs)")
    db.execute("DELETE FROM supplied WHERE job NOT IN (SELECT element FROM jobs)")


def put_back(
    db: sqlite3.Connection,
    job_id: str,
    due_at: float,
    reason: str | None,
    *,
    failed: bool,
    set_aside_at: float | None = None,
    held: bool = False,
) -> None:
    """Make a running job wait until `due_at`. If another one of its element waits already,
    they become one, with the causes and clients of both, due when the later one is; a client who still
    waits makes it due at once. No `reason` leaves that of an earlier failure. A `held` job that met
    another one looks again when that is due."""
    other = db.execute(
        "SELECT other.id, other.track, other.priority, other.due_at, other.asked_at"
        " FROM jobs JOIN jobs AS other USING (element)"
        " WHERE jobs.id = ? AND other.state = 'waiting'",
        (job_id,),
    ).fetchone()
    if other is not None:
        db.execute("UPDATE OR IGNORE job_causes SET job_id = ? WHERE job_id = ?", (job_id, other[0]))
        db.execute("UPDATE OR IGNORE job_clients SET job_id = ? WHERE job_id = ?", (job_id, other[0]))
        db.execute("DELETE FROM jobs WHERE id = ?", (other[0],))
        db.execute(
            "UPDATE jobs SET track = max(track, ?), asked_at = ? WHERE id = ?", (other[1], other[4], job_id)
        )
        if held or other[2] == 0:
            due_at, held, set_aside_at = other[3], False, None
        else:
            due_at = max(due_at, other[3])
    awaited = bool(clients(db, job_id))
    # What a person asked for stays so when it was interrupted, and when a newer request has joined.
    asked = awaited or (other is not None and other[2] == 0)
    db.execute(
        "UPDATE jobs SET state = 'waiting', due_at = ?, reason = coalesce(?, reason),"
        " failures = failures + ?, held = ?,"
        " priority = CASE WHEN ? THEN 0 WHEN ? THEN 1 ELSE priority END,"
        " set_aside_at = ?, handed_out_at = NULL WHERE id = ?",
        (0.0 if awaited else due_at, reason, failed, held, asked, failed or held, set_aside_at, job_id),
    )


def hold_for_cache(db: sqlite3.Connection, job_id: str, reason: str) -> None:
    """Make a running job wait for the source cache, in the order in which jobs were asked for."""
    (asked_at,) = db.execute("SELECT asked_at FROM jobs WHERE id = ?", (job_id,)).fetchone()
    put_back(db, job_id, asked_at, reason, failed=False)
    db.execute("UPDATE jobs SET awaits_cache = 1 WHERE id = ?", (job_id,))


def take_back_queued(db: sqlite3.Connection, now: float) -> None:
    """Make jobs wait again that are handed out and have not begun."""
    for (job_id,) in db.execute("SELECT id FROM jobs WHERE state = 'running' AND begun = 0").fetchall():
        put_back(db, job_id, now, None, failed=False)


def held_for_cache(db: sqlite3.Connection, now: float, *, paused: bool = False) -> str | None:
    """Return the first due job that waits for the source cache and for nothing else; `paused` leaves those
    in the background."""
    row = db.execute(
        "SELECT id FROM jobs WHERE awaits_cache = 1 AND state = 'waiting' AND due_at <= ? AND priority <= ?"
        " ORDER BY priority, asked_at LIMIT 1",
        (now, 0 if paused else 2),
    ).fetchone()
    return None if row is None else str(row[0])


def let_go(db: sqlite3.Connection, job_id: str) -> None:
    """Let a job wait for the source cache no more."""
    db.execute("UPDATE jobs SET awaits_cache = 0 WHERE id = ?", (job_id,))


def try_now(db: sqlite3.Connection, element: str, event_id: str, cause: str, now: float) -> None:
    """Make the element's waiting job due at `now`, for the event too; failures and a hold stay."""
    waiting = "SELECT id FROM jobs WHERE element = ? AND state = 'waiting'"
    row = db.execute(waiting, (element,)).fetchone()
    if row is not None:
        db.execute("UPDATE jobs SET due_at = min(due_at, ?) WHERE id = ?", (now, row[0]))
        db.execute("INSERT OR IGNORE INTO job_causes VALUES (?, ?, ?)", (row[0], event_id, cause))


def forgive(db: sqlite3.Connection, element: str) -> None:
    """Let the element's open jobs count failures anew, set aside no more."""
    db.execute("UPDATE jobs SET failures = 0, set_aside_at = NULL, held = 0 WHERE element = ?", (element,))


def take_back(db: sqlite3.Connection, handed_out_before: float, now: float, reason: str) -> int:
    """Make jobs wait again that were handed out before the given time; return how many."""
    rows = db.execute(
        "SELECT id FROM jobs WHERE state = 'running' AND handed_out_at < ?", (handed_out_before,)
    ).fetchall()
    for (job_id,) in rows:
        put_back(db, job_id, now, reason, failed=False)
    return len(rows)
