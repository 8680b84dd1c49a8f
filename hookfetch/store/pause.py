"""Whether a project is paused, in the store: it outlives restarts and takeovers of the same disk."""

import json
import sqlite3
from dataclasses import asdict

from hookfetch.core.questions import Paused

_KEY = "paused"


def paused(db: sqlite3.Connection) -> Paused | None:
    """Return since when and why the project is paused, or None."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (_KEY,)).fetchone()
    return None if row is None else Paused(**json.loads(row[0]))


def pause(db: sqlite3.Connection, pause: Paused) -> None:
    """Note the pause; one that is there already stays as it is."""
    db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (_KEY, json.dumps(asdict(pause))))


def resume(db: sqlite3.Connection) -> None:
    """Forget the pause, if there is one."""
    db.execute("DELETE FROM meta WHERE key = ?", (_KEY,))
