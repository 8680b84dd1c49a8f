"""Whether a project is paused. The store keeps it and the log is told of each change, so that it outlives
restarts and takeovers with whatever disk."""

import json
import sqlite3
from dataclasses import asdict

from hookfetch.core.entries import PauseChanged
from hookfetch.core.questions import Paused

_KEY = "paused"
_CHANGED = "pause_changed_at"  # Unix seconds of the last change
_TOLD = "pause_told_at"  # the change that the bus's log has


def paused(db: sqlite3.Connection) -> Paused | None:
    """Return since when and why the project is paused, or None."""
    value = _get(db, _KEY)
    return None if value is None else Paused(**json.loads(value))


def pause(db: sqlite3.Connection, pause: Paused) -> None:
    """Note the pause; one that is there already stays as it is."""
    if paused(db) is None:
        _set(db, _KEY, json.dumps(asdict(pause)))
        _changed(db, pause.since)


def resume(db: sqlite3.Connection, now: float) -> None:
    """Forget the pause, if there is one."""
    if paused(db) is not None:
        _forget(db, _KEY)
        _changed(db, now)


def untold(db: sqlite3.Connection, project: str, epoch: int) -> PauseChanged | None:
    """Return what the coordinator of `epoch` is to tell the bus's log, if that does not have it."""
    at = _changed_at(db)
    if at is None or _get(db, _TOLD) == repr(at):
        return None
    now = paused(db)
    return PauseChanged(project=project, epoch=epoch, at=at, **({} if now is None else asdict(now)))


def told(db: sqlite3.Connection, at: float) -> None:
    """Note that the bus's log has the change of the time `at`."""
    _set(db, _TOLD, repr(at))


def hear(db: sqlite3.Connection, change: PauseChanged | None) -> None:
    """Take over the last change that the bus's log tells of, unless the store's own is newer. Whatever it
    came to is told again: the log forgets its oldest records."""
    at = _changed_at(db)
    if change is not None and (at is None or change.at > at):
        _forget(db, _KEY)
        if change.since is not None:
            known = Paused(since=change.since, reason=change.reason, by=change.by)
            _set(db, _KEY, json.dumps(asdict(known)))
        _set(db, _CHANGED, repr(change.at))
    _forget(db, _TOLD)


def _changed(db: sqlite3.Connection, now: float) -> None:
    # Later than the change before it, also where that was noted by a machine whose clock is ahead.
    _set(db, _CHANGED, repr(max(now, (_changed_at(db) or 0.0) + 0.001)))


def _changed_at(db: sqlite3.Connection) -> float | None:
    value = _get(db, _CHANGED)
    if value is not None:
        return float(value)
    known = paused(db)  # of an older hookfetch, which told nobody
    return None if known is None else known.since


def _get(db: sqlite3.Connection, key: str) -> str | None:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _set(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _forget(db: sqlite3.Connection, key: str) -> None:
    db.execute("DELETE FROM meta WHERE key = ?", (key,))
