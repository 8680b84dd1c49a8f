"""Proposed and withdrawn refs in the store."""

import json
import sqlite3
from collections.abc import Container, Iterable, Mapping, Sequence

from pydantic import TypeAdapter

from hookfetch.core.entries import RefLanded, RefSuperseded, Settlement
from hookfetch.core.jobs import Change
from hookfetch.core.moves import SourceMove
from hookfetch.core.sources import Element, Ref, Source

_MOVE = TypeAdapter(SourceMove)


def proposed(db: sqlite3.Connection, element: str) -> dict[int, Ref]:
    """Return the announced ref of each source of `element` that differs from the branch's."""
    rows = db.execute("SELECT source_index, ref FROM proposed WHERE element = ?", (element,))
    return {index: json.loads(ref) for index, ref in rows}


def last_proposed(db: sqlite3.Connection, element: str) -> int:
    """Return the number of the newest log entry by which a ref of `element` is proposed, 0 where none is."""
    row = db.execute("SELECT coalesce(max(number), 0) FROM proposed WHERE element = ?", (element,)).fetchone()
    return int(row[0])


def moved(db: sqlite3.Connection, element: str) -> dict[int, SourceMove]:
    """Return what else than its ref is announced of each source of `element` that is to be of a newer
    version."""
    rows = db.execute(
        "SELECT source_index, moved FROM proposed WHERE element = ? AND moved IS NOT NULL", (element,)
    )
    return {index: _MOVE.validate_json(text) for index, text in rows}


def propose(db: sqlite3.Connection, element: str, changes: Sequence[Change], number: int) -> None:
    """Hold the refs of log entry `number` as proposed; one that is back at the branch's is held no more."""
    propose_all(db, [(element, change, number) for change in changes])


def propose_all(db: sqlite3.Connection, changes: Iterable[tuple[str, Change, int]]) -> None:
    """Do so for changes of elements by entries; of several changes of one source the last one holds."""
    newest = {(element, change.index): (change, number) for element, change, number in changes}
    forget(db, newest)
    db.executemany(
        "INSERT INTO proposed (element, source_index, kind, url, ref, number, base, moved)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(element, index, change.kind, change.url),
                *(json.dumps(change.ref), number, json.dumps(change.base)),
                None if change.moved is None else _MOVE.dump_json(change.moved).decode(),
            )
            for (element, index), (change, number) in newest.items()
            if change.ref != change.base or change.moved is not None
        ],
    )


def forget(db: sqlite3.Connection, sources: Iterable[tuple[str, int]]) -> None:
    """Hold nothing of the sources, by element and index, as proposed or withdrawn."""
    keys = list(sources)
    db.executemany("DELETE FROM proposed WHERE element = ? AND source_index = ?", keys)
    db.executemany("DELETE FROM withdrawn WHERE element = ? AND source_index = ?", keys)


def withdrawn(db: sqlite3.Connection, element: str) -> dict[int, Ref]:
    """Return the ref of each source of `element` in whose place a person put another one."""
    rows = db.execute("SELECT source_index, ref FROM withdrawn WHERE element = ?", (element,))
    return {index: json.loads(ref) for index, ref in rows}


def withdraw(db: sqlite3.Connection, element: str, sources: Iterable[Settlement]) -> None:
    """Hold refs as withdrawn, which were forgotten as proposed."""
    db.executemany(
        "INSERT OR REPLACE INTO withdrawn VALUES (?, ?, ?)",
        [(element, source.index, json.dumps(source.announced)) for source in sources],
    )


def take(db: sqlite3.Connection, entry: RefLanded | RefSuperseded) -> None:
    """Hold what an entry of the log settles as it says."""
    forget(db, [(entry.element, source.index) for source in entry.sources])
    if isinstance(entry, RefSuperseded):
        withdraw(db, entry.element, entry.sources)


def settle(
    db: sqlite3.Connection, elements: Sequence[Element], still: Container[str] = ()
) -> tuple[dict[str, list[Settlement]], dict[str, list[Settlement]]]:
    """After a load, hold what was proposed no more where the branch now has it, or where it has another
    ref than it had, or the source is gone or became another; return the landed and the superseded by
    element. Where the branch is as it was, the proposal stands, unless the policy has the
    element stay `still`."""
    now = {(e.name, s.index): s for e in elements for s in e.sources}
    landed: dict[str, list[Settlement]] = {}
    superseded: dict[str, list[Settlement]] = {}
    rows = db.execute(
        "SELECT element, source_index, kind, url, ref, base, moved FROM proposed ORDER BY 1, 2"
    ).fetchall()
    for element, index, kind, url, ref, base, move in rows:
        source = now.get((element, index))
        there = source.ref if source is not None and source.kind == kind else None
        announced = json.loads(ref)
        settled = Settlement(index=index, kind=kind, url=url, announced=announced, committed=there)
        if there == announced and _has_landed(source, url, move):
            landed.setdefault(element, []).append(settled)
        elif (
            element in still
            or source is None
            or source.kind != kind
            or (base is not None and there != json.loads(base))
        ):
            superseded.setdefault(element, []).append(settled)
    for found in (landed, superseded):
        forget(db, ((element, source.index) for element, sources in found.items() for source in sources))
    for element, sources in superseded.items():
        if element not in still:  # once it is followed again, so is this ref
            withdraw(db, element, (each for each in sources if (element, each.index) in now))
    _forget_settled(db, now)
    return landed, superseded


def _has_landed(source: Source | None, url: str | None, move: str | None) -> bool:
    """Return whether a source at the announced ref has what was announced beside it."""
    if move is None or source is None:
        return True
    track = _MOVE.validate_json(move).given.get("track")
    return url in source.urls and (track is None or source.track.get("track") == track)


def _forget_settled(db: sqlite3.Connection, now: Mapping[tuple[str, int], Source]) -> None:
    rows = db.execute("SELECT element, source_index, ref FROM withdrawn").fetchall()
    over = [
        (element, index)
        for element, index, ref in rows
        if (source := now.get((element, index))) is None or source.ref == json.loads(ref)
    ]
    db.executemany("DELETE FROM withdrawn WHERE element = ? AND source_index = ?", over)
