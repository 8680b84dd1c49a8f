"""Proposed refs in the store."""

import json
import sqlite3
from collections.abc import Sequence

from hookfetch.core.jobs import Change
from hookfetch.core.sources import Element, Ref


def proposed(db: sqlite3.Connection, element: str) -> dict[int, Ref]:
    """Return the announced ref of each source of `element` that differs from the branch's."""
    rows = db.execute("SELECT source_index, ref FROM proposed WHERE element = ?", (element,))
    return {index: json.loads(ref) for index, ref in rows}


def propose(db: sqlite3.Connection, element: str, changes: Sequence[Change], number: int) -> None:
    """Hold the refs of log entry `number` as proposed; one that is back at the branch's is held no more."""
    for change in changes:
        if change.ref == change.base:
            db.execute("DELETE FROM proposed WHERE element = ? AND source_index = ?", (element, change.index))
        else:
            row = (element, change.index, change.kind, change.url, json.dumps(change.ref), number)
            db.execute("INSERT OR REPLACE INTO proposed VALUES (?, ?, ?, ?, ?, ?)", row)


def settle(db: sqlite3.Connection, elements: Sequence[Element]) -> int:
    """After a load, drop proposals that the branch now holds, or whose source is gone or became
    another; return how many."""
    committed = {(e.name, s.index): (s.kind, s.ref) for e in elements for s in e.sources}
    rows = db.execute("SELECT element, source_index, kind, ref FROM proposed").fetchall()
    settled = [
        (element, index)
        for element, index, kind, ref in rows
        if (now := committed.get((element, index))) is None or now[0] != kind or now[1] == json.loads(ref)
    ]
    db.executemany("DELETE FROM proposed WHERE element = ? AND source_index = ?", settled)
    return len(settled)
