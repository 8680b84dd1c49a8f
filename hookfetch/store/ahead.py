"""Which elements are new or changed since the last load? Their sources are fetched before anyone asks."""

import hashlib
import sqlite3
from collections.abc import Sequence

from hookfetch.core.commands import Refresh
from hookfetch.core.sources import Element
from hookfetch.store import jobs, log


def ask(
    db: sqlite3.Connection, elements: Sequence[Element], revision: str, causes: Sequence[str], now: float
) -> int:
    """Have the sources of `elements` that differ from the last load's fetched, behind all other work, and
    forget elements that are gone; return how many are waiting for it now."""
    known = dict(db.execute("SELECT element, sources FROM loaded").fetchall())
    found = {element.name: digest for element in elements if (digest := _digest(element)) is not None}
    event_id = f"load/{revision}"
    news = [name for name, digest in found.items() if known.get(name) != digest]
    if news:
        log.note(db, event_id, event_id, "loaded", now)
    for name in news:
        refresh = Refresh(element=name, track=False, priority="ahead")
        for cause in causes or (event_id,):
            jobs.add(db, refresh, event_id, cause, now)
    db.executemany("DELETE FROM loaded WHERE element = ?", [(name,) for name in known.keys() - found.keys()])
    db.executemany("INSERT OR REPLACE INTO loaded VALUES (?, ?)", [(name, found[name]) for name in news])
    return jobs.waiting_ahead(db)


def _digest(element: Element) -> str | None:
    """Return what decides the sources of `element`, None where there is nothing to fetch or no ref yet."""
    remote = [source for source in element.sources if source.urls]
    if not remote or any(source.ref is None for source in remote):
        return None
    return hashlib.sha256(repr(element.sources).encode()).hexdigest()
