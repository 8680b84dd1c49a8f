"""The rewrites that elements were warned of, in the store."""

import json
import sqlite3

from hookfetch.core.rewrites import Rewrite

# A rewrite that its element has moved on from is known for so long, in seconds: who tells of it by then
# tells nothing new. Longer than any forge takes to send again what was not answered.
LATE = 7 * 86400.0
KEPT = 16  # of one element and ref

_COLUMNS = "number, element, repository, ref, kind, before, after, target, held, past, told_by"


def of(db: sqlite3.Connection, element: str) -> list[Rewrite]:
    """Return those of `element`, in the order in which it was warned."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM rewrites WHERE element = ? ORDER BY number",  # noqa: S608 (a constant)
        (element,),
    )
    return [
        Rewrite(
            number=number,
            element=name,
            repository=repository,
            ref=ref,
            kind=kind,
            before=before,
            after=after,
            target=target,
            held=bool(held),
            past=bool(past),
            told_by=tuple(json.loads(told_by)),
        )
        for number, name, repository, ref, kind, before, after, target, held, past, told_by in rows
    ]


def holding(db: sqlite3.Connection) -> list[str]:
    """Return the elements that a rewrite holds, by name."""
    rows = db.execute("SELECT DISTINCT element FROM rewrites WHERE held = 1 ORDER BY element")
    return [row[0] for row in rows]


def remember(db: sqlite3.Connection, rewrite: Rewrite, now: float) -> None:
    """Keep a new rewrite, told at `now` (Unix seconds); forget what it is too late to be told of."""
    db.execute("DELETE FROM rewrites WHERE past = 1 AND told_at < ?", (now - LATE,))
    db.execute(
        "INSERT INTO rewrites (element, repository, ref, kind, before, after, target, held, told_by, told_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            rewrite.element,
            rewrite.repository,
            rewrite.ref,
            rewrite.kind,
            rewrite.before,
            rewrite.after,
            rewrite.target,
            rewrite.held,
            json.dumps(rewrite.told_by),
            now,
        ),
    )
    place = (rewrite.element, rewrite.repository, rewrite.ref)
    db.execute(
        "DELETE FROM rewrites WHERE number IN (SELECT number FROM rewrites"
        " WHERE element = ? AND repository = ? AND ref = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
        (*place, KEPT),
    )


def note_telling(db: sqlite3.Connection, rewrite: Rewrite, by: str) -> None:
    """Note that the event `by` told of a known rewrite, too; one name of each who tells is enough."""
    told_by = rewrite.told_by if rewrite.is_told_by(by) else (*rewrite.told_by, by)
    db.execute(
        "UPDATE rewrites SET told_by = ?, held = ?, past = ? WHERE number = ?",
        (json.dumps(told_by), rewrite.held, rewrite.past, rewrite.number),
    )


def release(db: sqlite3.Connection, rewrite: Rewrite) -> None:
    """Hold the element no more."""
    db.execute("UPDATE rewrites SET held = 0 WHERE number = ?", (rewrite.number,))


def move_on(db: sqlite3.Connection, rewrite: Rewrite) -> None:
    """Note that the element is past a rewrite, which holds it no more."""
    db.execute("UPDATE rewrites SET held = 0, past = 1 WHERE number = ?", (rewrite.number,))
