"""Which repositories do deliveries tell of, and what did the sweep find there without a word from any?"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from hookfetch.core.events import BranchDeleted, TagDeleted
from hookfetch.core.observation import HOOKED_FOR, RefFact
from hookfetch.core.repository import RepositoryId

GRACE = 60.0  # seconds that a delivery may come after the look that found the same
_GONE, _ANYTHING = "", "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """What no delivery told of: `ref` moved to the commit `target` (None: it is gone), as a look found at
    `found_at` (Unix seconds)."""

    repository: RepositoryId
    ref: str
    target: str | None
    found_at: float


def tell(db: sqlite3.Connection, fact: RefFact, now: float) -> None:
    """Note what a delivery tells: its repositories are hooked, and nobody waits for this word any more."""
    for repository in fact.repositories:
        db.execute(
            "INSERT INTO hooked (repository, told_at) VALUES (?, ?)"
            " ON CONFLICT DO UPDATE SET told_at = excluded.told_at",
            (repository, now),
        )
        for target in _targets(fact):
            row = (repository, fact.ref, target)
            db.execute("INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)", (*row, now))
            db.execute(
                "DELETE FROM awaited WHERE repository = ?1 AND ref = ?2"
                " AND (?3 IN (oid, target) OR ?3 = '*')",
                row,
            )


def expect(db: sqlite3.Connection, news: Iterable[RefFact], now: float) -> None:
    """Wait for a delivery to tell of what a look found in a hooked repository, if none has yet."""
    for fact in news:
        oid, target = (_GONE, _GONE) if _is_gone(fact) else (fact.after or "", _commit(fact) or "")
        db.executemany(
            "INSERT OR REPLACE INTO awaited SELECT repository, ?2, ?3, ?4, ?5 FROM hooked"
            " WHERE repository = ?1 AND told_at > ?6 AND NOT EXISTS (SELECT 1 FROM told"
            " WHERE told.repository = ?1 AND ref = ?2 AND told.target IN (?3, ?4, '*'))",
            [(repository, fact.ref, oid, target, now, now - HOOKED_FOR) for repository in fact.repositories],
        )


def count_missed(db: sqlite3.Connection, now: float) -> list[Missed]:
    """Count what no delivery told of within `GRACE` seconds, and return it."""
    rows = db.execute(
        "DELETE FROM awaited WHERE found_at <= ? RETURNING repository, ref, target, found_at", (now - GRACE,)
    ).fetchall()
    missed = [
        Missed(repository=repository, ref=ref, target=target or None, found_at=found_at)
        for repository, ref, target, found_at in sorted(rows, key=lambda row: (row[3], *row[:3]))
    ]
    db.executemany(
        "UPDATE hooked SET missed = missed + 1, missed_at = ? WHERE repository = ?",
        [(each.found_at, each.repository) for each in missed],
    )
    return missed


def missed_in_all(db: sqlite3.Connection) -> tuple[int, float | None]:
    """Return how much deliveries missed of the hooked repositories, and when the last of it was found."""
    count, last = db.execute("SELECT coalesce(sum(missed), 0), max(missed_at) FROM hooked").fetchone()
    return count, last


def compact(db: sqlite3.Connection, keep: int, told_before: float) -> None:
    """Keep at most the newest `keep` tellings, none from before the given time; forget repositories that no
    delivery told of since."""
    db.execute(
        "DELETE FROM told WHERE told_at < max(?, coalesce("
        "(SELECT told_at FROM told ORDER BY told_at DESC LIMIT 1 OFFSET ?), 0))",
        (told_before, keep - 1),
    )
    db.execute("DELETE FROM hooked WHERE told_at < ?", (told_before,))


def _targets(fact: RefFact) -> Iterable[str]:
    if _is_gone(fact):
        return (_GONE,)
    named = dict.fromkeys(each for each in (fact.after, _commit(fact)) if each)
    return named or (_ANYTHING,)


def _is_gone(fact: RefFact) -> bool:
    return isinstance(fact, BranchDeleted | TagDeleted)


def _commit(fact: RefFact) -> str | None:
    return None if isinstance(fact, BranchDeleted | TagDeleted) else fact.target
