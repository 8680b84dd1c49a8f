"""How a job stands, for those who wait for its end or watch it: what they are told when that changes."""

import sqlite3
from collections.abc import Mapping, Sequence

from hookfetch.core.jobs import JobState, Progress
from hookfetch.core.recipes import key_of
from hookfetch.core.supplied import is_supplied

TOLD_MOST = 1000  # of those in one inbox; more than one gateway lets wait
# By `begun`: whether its worker looks yet, and whether it knows the refs.
_RUNNING: Mapping[int, JobState] = {0: "waiting", 1: "running", 2: "tracked"}
# Who only tracks is answered at once when there is more to tell.
_TOLD = "SELECT reply_to, request_id FROM job_clients WHERE job_id = ? AND wants != 'track' ORDER BY 1, 2"


def tracked(db: sqlite3.Connection, job_id: str) -> None:
    """Note that the refs of a running job are known."""
    db.execute("UPDATE jobs SET begun = 2 WHERE id = ? AND state = 'running'", (job_id,))


def held_jobs(db: sqlite3.Connection) -> Sequence[str]:
    """Return the jobs that wait for the source cache and are watched."""
    rows = db.execute(
        "SELECT DISTINCT id FROM jobs JOIN job_clients ON job_id = id WHERE awaits_cache = 1 ORDER BY id"
    )
    return [row[0] for row in rows]


def of(db: sqlite3.Connection, job_id: str, now: float) -> list[tuple[str, Progress]]:
    """Return what each inbox is told of how a job stands; nothing where nobody is to be told. Who watches
    one that was set aside hears of its end."""
    inboxes = _inboxes(db, job_id)
    if not inboxes:
        return []
    row = db.execute(
        "SELECT element, state, begun, attempt, failures, reason, due_at, awaits_cache, set_aside_at"
        " FROM jobs WHERE id = ?",
        (job_id,),
    ).fetchone()
    if row is None or (key_of(row[0]) is not None and not is_supplied(row[0])):
        return []  # who misses a key waits for the answer alone
    _, state, begun, attempt, failures, reason, due_at, awaits_cache, set_aside_at = row
    stands: JobState
    later = due_at if state == "waiting" and due_at > now else None
    if state == "running":
        stands = _RUNNING[begun]
    elif awaits_cache:
        stands = "held"
    elif later is not None and set_aside_at is not None:
        stands, later = "ended", None
    else:
        stands = "failing" if failures and later is not None else "waiting"
    told = stands in ("held", "ended", "failing")
    found = _each(inboxes, job_id, stands, attempt, reason if told else None, later)
    if stands == "ended":
        _dismiss(db, job_id)
    return found


def ending(
    db: sqlite3.Connection, job_id: str, *, done: bool, reason: str | None
) -> list[tuple[str, Progress]]:
    """Return what each inbox is told of a job that is over, before it is forgotten."""
    inboxes = _inboxes(db, job_id)
    if not inboxes:
        return []
    (attempt,) = db.execute("SELECT attempt FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return _each(inboxes, job_id, "done" if done else "ended", attempt, reason, None)


def _inboxes(db: sqlite3.Connection, job_id: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for reply_to, request_id in db.execute(_TOLD, (job_id,)):
        found.setdefault(reply_to, []).append(request_id)
    return found


def _each(
    inboxes: Mapping[str, Sequence[str]],
    job_id: str,
    state: JobState,
    attempt: int,
    reason: str | None,
    due_at: float | None,
) -> list[tuple[str, Progress]]:
    return [
        (
            reply_to,
            Progress(
                request_ids=tuple(request_ids[:TOLD_MOST]),
                job_id=job_id,
                state=state,
                attempt=attempt,
                reason=reason,
                due_at=due_at,
            ),
        )
        for reply_to, request_ids in inboxes.items()
    ]


def _dismiss(db: sqlite3.Connection, job_id: str) -> None:
    db.execute("DELETE FROM job_clients WHERE job_id = ? AND wants = 'watch'", (job_id,))
