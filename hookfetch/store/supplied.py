"""What clients brought, while jobs are for it. `jobs.finish` forgets it."""

import sqlite3
from collections.abc import Sequence

from pydantic import TypeAdapter

from hookfetch.core.supplied import SuppliedSource

_SOURCES = TypeAdapter(tuple[SuppliedSource, ...])


def keep(db: sqlite3.Connection, job: str, sources: Sequence[SuppliedSource]) -> None:
    """Store that the job of this name is for `sources`, which its name stands for."""
    written = _SOURCES.dump_json(tuple(sources)).decode()
    db.execute("INSERT OR IGNORE INTO supplied VALUES (?, ?)", (job, written))


def find(db: sqlite3.Connection, job: str) -> tuple[SuppliedSource, ...]:
    """Return what the job of this name is for; nothing where there is none."""
    row = db.execute("SELECT sources FROM supplied WHERE job = ?", (job,)).fetchone()
    return () if row is None else _SOURCES.validate_json(row[0])


def count(db: sqlite3.Connection) -> int:
    """Return for how much that clients brought a job is open."""
    return int(db.execute("SELECT count(*) FROM supplied").fetchone()[0])
