"""What became of deliveries and elements, read from the store; and the jobs that are over, kept for it."""

import sqlite3
from collections.abc import Iterable, Sequence

from hookfetch.core.codec import load_record
from hookfetch.core.commands import Outcome
from hookfetch.core.entries import AlarmRaised, RefLanded, RefSuperseded, RefUpdated
from hookfetch.core.kept import ToldFact
from hookfetch.core.questions import (
    ENTRIES_MOST,
    EVENTS_MOST,
    JOBS_MOST,
    LAST_ENTRIES,
    Ended,
    StoryEntry,
    StoryEvent,
    StoryJob,
)
from hookfetch.core.repository import RepositoryId, routing_key
from hookfetch.core.why import shown
from hookfetch.store import bindings

_CAUSES_MOST = 20  # of a job; a burst has thousands
_OPEN = (
    "SELECT id, element, state, attempt, failures, reason, asked_at, handed_out_at, due_at, set_aside_at,"
    " held, priority, awaits_cache FROM jobs"
)
_ENDED = (
    "SELECT job_id, element, attempts, failures, reason, asked_at, started_at, ended_at, outcome, entry"
    " FROM ended_jobs"
)


def remember_end(
    db: sqlite3.Connection, job_id: str, outcome: Outcome, reason: str | None, now: float, entry: int | None
) -> None:
    """Note how a job ends that is still there; `entry` is the log entry that it led to."""
    cursor = db.execute(
        "INSERT OR REPLACE INTO ended_jobs (job_id, element, attempts, failures, outcome, reason, asked_at,"
        " started_at, ended_at, entry) SELECT id, element, attempt, failures, ?, coalesce(?, reason),"
        " asked_at, handed_out_at, ?, ? FROM jobs WHERE id = ?",
        (outcome, reason, now, entry, job_id),
    )
    if cursor.rowcount == 1:
        db.execute(
            "INSERT OR IGNORE INTO ended_job_causes"
            " SELECT DISTINCT cause, job_id FROM job_causes WHERE job_id = ?",
            (job_id,),
        )


def compact(db: sqlite3.Connection, keep: int, ended_before: float) -> None:
    """Keep at most the newest `keep` ended jobs, none that ended before the given time; forget the
    causes of entries that are gone."""
    newest = db.execute("SELECT coalesce(max(number), 0) FROM ended_jobs").fetchone()[0]
    db.execute("DELETE FROM ended_jobs WHERE number <= ? OR ended_at < ?", (newest - keep, ended_before))
    db.execute("DELETE FROM entry_causes WHERE number NOT IN (SELECT number FROM log)")


def outcomes(db: sqlite3.Connection, delivery_ids: Sequence[str]) -> tuple[Ended, ...]:
    """Return how the events of deliveries ended, each different end of a delivery once."""
    found = []
    for delivery_id in delivery_ids:
        rows = db.execute(
            "SELECT outcome, max(reason) FROM events WHERE delivery_id = ? GROUP BY outcome", (delivery_id,)
        )
        found += [Ended(delivery_id=delivery_id, outcome=end, reason=reason) for end, reason in rows]
    return tuple(found)


def unhandled(db: sqlite3.Connection, facts: Iterable[ToldFact]) -> tuple[str, ...]:
    """Return the ids of those of `facts` that the project is bound to and has not handled."""
    return tuple(
        fact.id
        for fact in facts
        if bindings.are_stored(db, (routing_key(RepositoryId(name)) for name in fact.repositories))
        and db.execute("SELECT 1 FROM events WHERE id = ?", (fact.id,)).fetchone() is None
    )


def related(db: sqlite3.Connection, delivery_id: str) -> list[str]:
    """Return those ids of a delivery and its replays (`<id>~<n>`) that were handled here."""
    # `:` follows the digits: between the two are the replays alone.
    low, high = f"{delivery_id}~", f"{delivery_id}~:"
    rows = db.execute(
        "SELECT DISTINCT delivery_id FROM events WHERE delivery_id = ?"
        " OR (delivery_id >= ? AND delivery_id < ?) LIMIT ?",
        (delivery_id, low, high, EVENTS_MOST),
    )
    return [row[0] for row in rows]


def events(db: sqlite3.Connection, delivery_ids: Sequence[str]) -> tuple[StoryEvent, ...]:
    """Return the handled events of deliveries, oldest first, at most one more than `EVENTS_MOST`."""
    found: list[StoryEvent] = []
    for delivery_id in delivery_ids:
        rows = db.execute(
            "SELECT id, delivery_id, type, handled_at, outcome, reason FROM events WHERE delivery_id = ?"
            " ORDER BY handled_at, id LIMIT ?",
            (delivery_id, EVENTS_MOST + 1 - len(found)),
        )
        found += [
            StoryEvent(id=i, delivery_id=d, type=t, handled_at=at, outcome=outcome, reason=reason)
            for i, d, t, at, outcome, reason in rows
        ]
    return tuple(sorted(found, key=lambda event: event.handled_at))


def jobs_of_deliveries(db: sqlite3.Connection, delivery_ids: Sequence[str]) -> tuple[StoryJob, ...]:
    """Return the ended and open jobs that deliveries led to, at most one more than `JOBS_MOST`."""
    found: dict[str, StoryJob] = {}
    for delivery_id in delivery_ids:
        ended = db.execute(
            f"{_ENDED} WHERE job_id IN (SELECT job_id FROM ended_job_causes WHERE cause = ?)"  # noqa: S608 (a constant)
            " ORDER BY ended_at LIMIT ?",
            (delivery_id, JOBS_MOST + 1 - len(found)),
        ).fetchall()
        found |= {row[0]: _ended(db, row) for row in ended}
        rows = db.execute(
            f"{_OPEN} WHERE id IN (SELECT job_id FROM job_causes WHERE cause = ?) LIMIT ?",  # noqa: S608 (same)
            (delivery_id, JOBS_MOST + 1 - len(found)),
        ).fetchall()
        found |= {row[0]: _open(db, row) for row in rows}
    return tuple(found.values())


def entries_of_deliveries(db: sqlite3.Connection, delivery_ids: Sequence[str]) -> tuple[StoryEntry, ...]:
    """Return the log entries that deliveries led to, by number, at most one more than `ENTRIES_MOST`."""
    found: dict[int, bytes] = {}
    for delivery_id in delivery_ids:
        rows = db.execute(
            "SELECT log.number, entry FROM entry_causes JOIN log USING (number) WHERE cause = ?"
            " ORDER BY log.number LIMIT ?",
            (delivery_id, ENTRIES_MOST + 1 - len(found)),
        )
        found |= dict(rows.fetchall())
    return tuple(_entry(found[number]) for number in sorted(found))


def jobs_of_element(db: sqlite3.Connection, element: str) -> tuple[StoryJob, ...]:
    """Return an element's open jobs, the running one first, then the one that ended last."""
    rows = db.execute(f"{_OPEN} WHERE element = ? ORDER BY state", (element,)).fetchall()
    last = db.execute(f"{_ENDED} WHERE element = ? ORDER BY ended_at DESC LIMIT 1", (element,)).fetchall()
    return (*(_open(db, row) for row in rows), *(_ended(db, row) for row in last))


def entries_of_element(db: sqlite3.Connection, element: str) -> tuple[StoryEntry, ...]:
    """Return an element's last log entries, newest first."""
    rows = db.execute(
        "SELECT entry FROM log WHERE element = ? ORDER BY number DESC LIMIT ?", (element, LAST_ENTRIES)
    )
    return tuple(_entry(row[0]) for row in rows.fetchall())


def seen_since(db: sqlite3.Connection, repository: str) -> float | None:
    """Return when a repository was last seen to change, None where it was never asked."""
    row = db.execute(
        "SELECT observed_at FROM observed_repositories WHERE repository = ?", (repository,)
    ).fetchone()
    return None if row is None else float(row[0])


def counts(db: sqlite3.Connection) -> tuple[int, int, int, float | None, int]:
    """Return how many jobs wait, run and are set aside, when the oldest waiting one was asked for, and
    the log's newest number."""
    row = db.execute(
        "SELECT coalesce(sum(state = 'waiting' AND set_aside_at IS NULL), 0),"
        " coalesce(sum(state = 'running'), 0),"
        " coalesce(sum(state = 'waiting' AND set_aside_at IS NOT NULL), 0),"
        " min(CASE WHEN state = 'waiting' AND set_aside_at IS NULL THEN asked_at END) FROM jobs"
    ).fetchone()
    newest = db.execute("SELECT coalesce(max(number), 0) FROM log").fetchone()[0]
    return int(row[0]), int(row[1]), int(row[2]), row[3], int(newest)


def _open(db: sqlite3.Connection, row: Sequence[object]) -> StoryJob:
    job_id, element, state, attempt, failures, reason, asked, handed, due, aside, held, priority, awaits = row
    causes = db.execute(
        "SELECT DISTINCT cause FROM job_causes WHERE job_id = ? ORDER BY cause LIMIT ?",
        (job_id, _CAUSES_MOST),
    )
    return StoryJob(
        id=str(job_id),
        element=str(element),
        state="running" if state == "running" else "waiting",
        attempts=_int(attempt),
        failures=_int(failures),
        reason=None if reason is None else str(reason),
        asked_at=_time(asked) or None,
        started_at=_time(handed),
        due_at=_time(due) if state == "waiting" else None,
        set_aside_at=_time(aside),
        held=bool(held),
        awaits_cache=bool(awaits),
        interactive=priority == 0,
        causes=tuple(row[0] for row in causes),
    )


def _ended(db: sqlite3.Connection, row: Sequence[object]) -> StoryJob:
    job_id, element, attempts, failures, reason, asked, started, ended, outcome, entry = row
    causes = db.execute(
        "SELECT cause FROM ended_job_causes WHERE job_id = ? ORDER BY cause LIMIT ?", (job_id, _CAUSES_MOST)
    )
    return StoryJob(
        id=str(job_id),
        element=str(element),
        state="ended",
        attempts=_int(attempts),
        failures=_int(failures),
        reason=None if reason is None else str(reason),
        asked_at=_time(asked) or None,
        started_at=_time(started),
        ended_at=_time(ended),
        outcome=outcome,  # type: ignore[arg-type]  # one of the words that are stored
        entry=None if entry is None else _int(entry),
        causes=tuple(row[0] for row in causes),
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _time(value: object) -> float | None:
    assert value is None or isinstance(value, float | int)
    return None if value is None else float(value)


def _entry(data: bytes) -> StoryEntry:
    entry = load_record(data)
    match entry:
        case RefUpdated():
            changes = tuple(
                f"{each.kind} {shown(each.previous)} → {shown(each.ref)}" for each in entry.changes
            )
        case AlarmRaised():
            changes = (f"{entry.kind.replace('_', ' ')}: {entry.ref} of {entry.repository}",)
        case RefLanded():
            changes = tuple(f"{each.kind} {shown(each.announced)} landed" for each in entry.sources)
        case RefSuperseded():
            changes = tuple(
                f"{each.kind} {shown(each.announced)} withdrawn: the branch has {shown(each.committed)}"
                for each in entry.sources
            )
        case _:
            raise AssertionError(f"no entry of a log: {entry}")
    return StoryEntry(
        number=entry.number,
        type=entry.type,
        element=entry.element,
        announced_at=entry.announced_at,
        changes=changes,
        cached=isinstance(entry, RefUpdated) and entry.cached,
    )
