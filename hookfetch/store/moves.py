"""Newer versions that elements are to go to, in the store: from each version that its sources have,
the newest."""

import sqlite3

from pydantic import TypeAdapter

from hookfetch.core.commands import Refresh
from hookfetch.core.moves import PendingMove, WantedMove
from hookfetch.core.standing import ElementStanding
from hookfetch.store import jobs

_WANTED = TypeAdapter(WantedMove)
_AT_ONCE = 64  # that begin anew together; the rest follows as these are handed out


def want(
    db: sqlite3.Connection, element: str, wanted: WantedMove, event_id: str, cause: str, now: float
) -> None:
    """Have the element's next job move it, whatever became of an earlier release."""
    db.execute(
        "INSERT OR REPLACE INTO moves (element, current, version, wanted, event_id, cause, found_at, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'wanted')",
        (
            *(element, wanted.current, wanted.version, _WANTED.dump_json(wanted).decode()),
            *(event_id, cause, now),
        ),
    )


def of(db: sqlite3.Connection, element: str) -> list[PendingMove]:
    """Return what the element is to go to, or could not: one from each version that its sources have."""
    rows = db.execute(
        "SELECT wanted, found_at, tries, reason, state, due_at FROM moves WHERE element = ? ORDER BY current",
        (element,),
    )
    return [
        PendingMove(
            wanted=_WANTED.validate_json(wanted),
            found_at=found_at,
            tries=tries,
            reason=reason,
            over=state == "over",
            due_at=due_at,
        )
        for wanted, found_at, tries, reason, state, due_at in rows
    ]


def for_job(db: sqlite3.Connection, element: str, *, asked: bool) -> WantedMove | None:
    """Return what a job that goes out now is to move its element to; a job that a person `asked` for tries
    again what waits or is over, too. Of several the others are left for the next job."""
    row = db.execute(
        "SELECT wanted FROM moves WHERE element = ? AND (state = 'wanted' OR ?)"
        " ORDER BY state = 'wanted' DESC, current LIMIT 1",
        (element, asked),
    ).fetchone()
    return None if row is None else _WANTED.validate_json(row[0])


def wake(db: sqlite3.Connection, now: float) -> None:
    """Ask for a job of each element whose release has waited long enough."""
    rows = db.execute(
        "SELECT element, current, event_id, cause FROM moves WHERE state = 'awaited' AND due_at <= ?"
        " ORDER BY due_at LIMIT ?",
        (now, _AT_ONCE),
    ).fetchall()
    for element, current, event_id, cause in rows:
        db.execute(
            "UPDATE moves SET state = 'wanted', due_at = NULL WHERE element = ? AND current = ?",
            (element, current),
        )
        jobs.add(db, Refresh(element=element), event_id, cause, now)


def next_due(db: sqlite3.Connection) -> float | None:
    """Return when the next one has waited long enough."""
    (due,) = db.execute("SELECT min(due_at) FROM moves WHERE state = 'awaited'").fetchone()
    return None if due is None else float(due)


def postpone(db: sqlite3.Connection, element: str, version: str, reason: str, due_at: float | None) -> None:
    """Try the move to `version` again at `due_at`, or, without, not any more."""
    db.execute(
        "UPDATE moves SET state = ?, due_at = ?, tries = tries + 1, reason = ?"
        " WHERE element = ? AND version = ?",
        ("over" if due_at is None else "awaited", due_at, reason, element, version),
    )


def arrived(db: sqlite3.Connection, element: str, version: str, now: float) -> None:
    """Forget the element's move to `version`; another one that it is to make has a job of its own."""
    db.execute("DELETE FROM moves WHERE element = ? AND version = ?", (element, version))
    row = db.execute(
        "SELECT event_id, cause FROM moves WHERE element = ? AND state = 'wanted'", (element,)
    ).fetchone()
    if row is not None:
        event_id, cause = row
        jobs.add(db, Refresh(element=element), event_id, cause, now)


def forget(db: sqlite3.Connection, element: str) -> None:
    """Forget all moves of an element that is there no more, or stays as it is."""
    db.execute("DELETE FROM moves WHERE element = ?", (element,))


def standing(db: sqlite3.Connection, now: float) -> list[ElementStanding]:
    """Return the elements with a release that was tried in vain: `waiting` where it is waited for, and
    `set aside` where it is not taken. `now` is in Unix seconds."""
    rows = db.execute("SELECT DISTINCT element FROM moves WHERE tries > 0 ORDER BY element").fetchall()
    return [
        ElementStanding(
            element=element,
            state="set aside" if move.over else "waiting",
            attempts=move.tries,
            reason=f"version {move.wanted.version}{'' if move.over else ': seen, not downloadable yet'}"
            f": {move.reason}",
            since=move.found_at,
            due_at=move.due_at if move.due_at is not None and move.due_at > now else None,
        )
        for (element,) in rows
        for move in of(db, element)
        if move.tries
    ]
