"""Whether the project's source cache is there, in the store: an outage outlives the coordinator."""

import sqlite3
from datetime import UTC, datetime

from hookfetch.core.outage import CacheOutage, Outage

PROBE_WITHIN = 120.0  # seconds that a probe may be with a worker before another one goes out


def current(db: sqlite3.Connection) -> Outage | None:
    """Return what is known of an outage, None when the cache is there."""
    row = db.execute("SELECT since, reason, pause, probe_at FROM cache_outage").fetchone()
    if row is None:
        return None
    since, reason, pause, probe_at = row
    return Outage(since=since, reason=reason, pause=pause, probe_at=probe_at)


def begin(db: sqlite3.Connection, now: float, reason: str, pause: float) -> bool:
    """Note that the cache did not answer; it is asked again `pause` seconds from `now`. Return whether that
    is news."""
    known = current(db)
    since = known.since if known is not None and known.since is not None else now
    db.execute(
        "INSERT OR REPLACE INTO cache_outage VALUES (1, ?, ?, ?, ?)", (since, reason, pause, now + pause)
    )
    return known is None or known.since is None


def probing(db: sqlite3.Connection, now: float) -> None:
    """Note that a worker asks the cache now."""
    db.execute("UPDATE cache_outage SET probe_at = ?", (now + PROBE_WITHIN,))


def probe_now(db: sqlite3.Connection, element: str, now: float) -> None:
    """Have the cache asked at once if `element` is held for it."""
    db.execute(
        "UPDATE cache_outage SET probe_at = min(probe_at, ?)"
        " WHERE EXISTS (SELECT 1 FROM jobs WHERE element = ? AND awaits_cache = 1)",
        (now, element),
    )


def end(db: sqlite3.Connection, now: float, *, proved: bool) -> float | None:
    """Let go what is held, in the order in which it was asked for; with `proved` forget the outage. Return
    since when it was, None if it was not."""
    known = current(db)
    db.execute("DELETE FROM cache_outage" if proved else "UPDATE cache_outage SET since = NULL")
    db.execute(
        "UPDATE jobs SET awaits_cache = 0, reason = NULL,"
        " due_at = CASE WHEN due_at <= ? THEN asked_at ELSE due_at END WHERE awaits_cache = 1",
        (now,),
    )
    return None if known is None else known.since


def told(db: sqlite3.Connection) -> CacheOutage | None:
    """Return what people are told of an outage, None when there is none."""
    known = current(db)
    if known is None or known.since is None:
        return None
    (held,) = db.execute("SELECT count(*) FROM jobs WHERE awaits_cache = 1").fetchone()
    return CacheOutage(since=known.since, reason=known.reason, held=held)


def reason_to_hold(db: sqlite3.Connection) -> str:
    """Return why a job is held, in one line."""
    known = current(db)
    if known is None or known.since is None:
        return "the source cache was not there"
    clock = datetime.fromtimestamp(known.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"not there since {clock}: {known.reason}"
