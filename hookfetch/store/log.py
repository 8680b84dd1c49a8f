"""The numbered log and the story of handled events in the store."""

import sqlite3
from collections.abc import Mapping, Sequence

from hookfetch.core.codec import dump_record, load_record
from hookfetch.core.commands import Announce, Outcome
from hookfetch.core.entries import (
    AlarmRaised,
    LogEntry,
    RefLanded,
    RefSuperseded,
    RefUpdated,
    Settlement,
)
from hookfetch.core.rewrites import Rewrite


def append(
    db: sqlite3.Connection, log_id: str, project: str, announce: Announce, causes: Sequence[str], now: float
) -> RefUpdated:
    """Append an announcement under the next number and return it."""
    entry = RefUpdated(
        log_id=log_id,
        number=_next_number(db),
        project=project,
        element=announce.element,
        changes=announce.changes,
        cached=announce.cached,
        element_key=announce.element_key,
        source_keys=announce.source_keys,
        upgrade=announce.upgrade,
        causes=tuple(causes),
        announced_at=now,
    )
    write(db, [entry])
    return entry


def append_settled(
    db: sqlite3.Connection,
    log_id: str,
    project: str,
    settled: type[RefLanded] | type[RefSuperseded],
    sources: Mapping[str, Sequence[Settlement]],
    *,
    revision: str | None,
    causes: Sequence[str],
    now: float,
) -> None:
    """Append an entry for each element of `sources`, in their order."""
    first = _next_number(db)
    write(
        db,
        [
            settled(
                log_id=log_id,
                number=number,
                project=project,
                element=element,
                sources=tuple(sources[element]),
                revision=revision,
                causes=tuple(causes),
                announced_at=now,
            )
            for number, element in enumerate(sources, first)
        ],
    )


def append_alarm(
    db: sqlite3.Connection, log_id: str, project: str, rewrite: Rewrite, causes: Sequence[str], now: float
) -> AlarmRaised:
    """Append an alarm under the next number and return it."""
    alarm = AlarmRaised(
        log_id=log_id,
        number=_next_number(db),
        project=project,
        element=rewrite.element,
        causes=tuple(causes),
        announced_at=now,
        kind=rewrite.kind,
        repository=rewrite.repository,
        ref=rewrite.ref,
        before=rewrite.before,
        after=rewrite.after,
        followed=not rewrite.held,
    )
    write(db, [alarm])
    return alarm


def _next_number(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(max(number), 0) + 1 FROM log").fetchone()[0])


def write(db: sqlite3.Connection, entries: Sequence[LogEntry], *, published: bool = False) -> None:
    """Write entries under their own numbers; `published` says whether the bus has them."""
    db.executemany(
        "INSERT INTO log (number, element, entry, announced_at, kind, published) VALUES (?, ?, ?, ?, ?, ?)",
        [(each.number, each.element, dump_record(each), each.announced_at, each.type, published)
         for each in entries],
    )  # fmt: skip
    causes = [(cause, entry.number) for entry in entries for cause in entry.causes]
    db.executemany("INSERT OR IGNORE INTO entry_causes VALUES (?, ?)", causes)


def newest_update(db: sqlite3.Connection, element: str) -> RefUpdated | None:
    """Return the newest announcement of `element` that is kept."""
    row = db.execute(
        "SELECT entry FROM log WHERE element = ? AND kind = 'ref_updated' ORDER BY number DESC LIMIT 1",
        (element,),
    ).fetchone()
    record = None if row is None else load_record(row[0])
    return record if isinstance(record, RefUpdated) else None


def unpublished(db: sqlite3.Connection, most: int) -> list[tuple[int, bytes]]:
    """Return the oldest entries that the bus does not have, by number."""
    return db.execute(
        "SELECT number, entry FROM log WHERE published = 0 ORDER BY number LIMIT ?", (most,)
    ).fetchall()


def published(db: sqlite3.Connection, last: int) -> None:
    """Note that the bus has every entry up to number `last`."""
    db.execute("UPDATE log SET published = 1 WHERE published = 0 AND number <= ?", (last,))


def unpublish_all(db: sqlite3.Connection) -> None:
    """Note that the bus forgot every entry (it lives in this process)."""
    db.execute("UPDATE log SET published = 0")


def compact(db: sqlite3.Connection, keep: int, events_before: float) -> None:
    """Keep the newest `keep` entries and, beyond them, the newest of each kind of each element; forget
    ended events that were handled before the given time."""
    newest = db.execute("SELECT coalesce(max(number), 0) FROM log").fetchone()[0]
    db.execute(
        "DELETE FROM log WHERE number <= ? AND published = 1"
        " AND number < (SELECT max(number) FROM log AS later"
        " WHERE later.element = log.element AND later.kind = log.kind)",
        (newest - keep,),
    )
    db.execute("DELETE FROM events WHERE handled_at < ? AND outcome IS NOT NULL", (events_before,))


def note(db: sqlite3.Connection, event_id: str, delivery_id: str, kind: str, now: float) -> bool:
    """Note that an event is being handled; return False when it was before."""
    cursor = db.execute(
        "INSERT OR IGNORE INTO events (id, delivery_id, type, handled_at) VALUES (?, ?, ?, ?)",
        (event_id, delivery_id, kind, now),
    )
    return cursor.rowcount == 1


def conclude(db: sqlite3.Connection, event_id: str, outcome: Outcome, reason: str | None) -> None:
    """Note how an event ended."""
    db.execute("UPDATE events SET outcome = ?, reason = ? WHERE id = ?", (outcome, reason, event_id))


def conclude_causes(db: sqlite3.Connection, job_id: str, outcome: Outcome, reason: str | None) -> None:
    """Note how the open events behind a job ended, unless another job of theirs is open;
    coalesced ones keep that word."""
    db.execute(
        "UPDATE events SET outcome = ?, reason = ? WHERE outcome IS NULL"
        " AND id IN (SELECT event_id FROM job_causes WHERE job_id = ?)"
        " AND id NOT IN (SELECT event_id FROM job_causes WHERE job_id <> ?)",
        (outcome, reason, job_id, job_id),
    )
