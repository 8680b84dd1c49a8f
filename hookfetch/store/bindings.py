"""The project's bindings in the store, for a bus that forgets them with its process and for those who ask."""

import sqlite3
from collections.abc import Iterable
from collections.abc import Set as AbstractSet


def stored(db: sqlite3.Connection) -> frozenset[str]:
    """Return the routing keys of the last good load."""
    return frozenset(row[0] for row in db.execute("SELECT routing_key FROM bindings"))


def are_stored(db: sqlite3.Connection, keys: Iterable[str]) -> bool:
    """Return whether the last good load bound any of `keys`."""
    query = "SELECT 1 FROM bindings WHERE routing_key = ?"
    return any(db.execute(query, (key,)).fetchone() for key in keys)


def store(db: sqlite3.Connection, keys: AbstractSet[str]) -> None:
    """Replace the routing keys."""
    db.execute("DELETE FROM bindings")
    db.executemany("INSERT INTO bindings VALUES (?)", [(key,) for key in keys])
