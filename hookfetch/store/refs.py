"""Proposed refs in the store."""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from hookfetch.core.jobs import Change
from hookfetch.core.sources import Element, Ref


def proposed(db: sqlite3.Connection, element: str) -> dict[int, Ref]:
    """Return the announced ref of each source of `element` that differs from the branch's."""
    rows = db.execute("SELECT source_index, ref FROM proposed WHERE element = ?", (element,))
    return {index: json.loads(ref) for index, ref in rows}


def propose(db: sqlite3.Connection, element: str, changes: Sequence[Change], number: int) -> None:
    """Hold the refs of log entry `number` as proposed; one that is back at the branch's is held no more."""
    propose_all(db, [(element, change, number) for change in changes])


def propose_all(db: sqlite3.Connection, changes: Iterable[tuple[str, Change, int]]) -> None:
    """Do so for changes of elements by entries; of several changes of one source the last one holds."""
    newest = {(element, change.index): (change, number) for element, change, number in changes}
    db.executemany("DELETE FROM proposed WHERE element = ? AND source_index = ?", newest.keys())
    db.executemany(
        "INSERT INTO proposed VALUES (?, ?, ?, ?, ?, ?)",
        [
            (element, index, change.kind, change.url, json.dumps(change.ref), number)
            for (element, index), (change, number) in newest.items()
            if change.ref != change.base
        ],
    )


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
