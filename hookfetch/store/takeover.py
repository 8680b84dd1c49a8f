"""Taking a project over: the store and the log are made to say the same.

The log that the bus keeps is what everyone has heard, so where both speak of a number it wins. The
store only adds what nobody contradicts. Every function is called inside a transaction of its own, and
a takeover that breaks off anywhere is begun anew by the next one.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace

from hookfetch.core.codec import load_record
from hookfetch.core.commands import Refresh
from hookfetch.core.entries import (
    AlarmRaised,
    LogEntry,
    PauseChanged,
    Record,
    RefLanded,
    RefSuperseded,
    RefUpdated,
)
from hookfetch.core.errors import Replaced
from hookfetch.store import jobs, log, pause, refs

_OWN_MOST = 1000  # takeovers that broke off and whose marks may stand in the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The last takeover that was completed with this store: its `epoch`, when it began (Unix seconds), and
    the `last` number that stood in the bus's log then."""

    epoch: int
    at: float
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An epoch that was just begun. `own` are the epochs that this store began since `mark`."""

    epoch: int
    mark: Mark | None
    own: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the bus's log said, read up to one's own mark.

    `last` is the newest number that counts, 0 without one, `void` are later numbers that do not count;
    `foreign`: a coordinator with another store was active since this store's; `known`: this store's
    last mark, or an entry, was found, so the log is one that continues. `pause` is the last word on that.
    """

    last: int = 0
    void: frozenset[int] = frozenset()
    foreign: bool = False
    known: bool = False
    pause: PauseChanged | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a takeover came to: the log's id, and how many entries are published (again), and how many
    were taken back since nobody heard them."""

    log_id: str
    published: int
    taken_back: int


def begin(db: sqlite3.Connection, now: float) -> Begun:
    """Begin an epoch that no coordinator of this project had before, whichever store it has; jobs that
    are with the workers wait again."""
    jobs.take_back(db, float("inf"), now, "the coordinator started again")
    db.execute("INSERT OR IGNORE INTO meta VALUES ('log_id', ?)", (uuid.uuid4().hex[:12],))
    epoch = max(int(_get(db, "epoch") or 0) + 1, int(now * 1000))
    own = [*json.loads(_get(db, "own_epochs") or "[]"), epoch][-_OWN_MOST:]
    _set(db, "epoch", str(epoch))
    _set(db, "own_epochs", json.dumps(own))
    mark = _get(db, "mark")
    return Begun(epoch=epoch, mark=None if mark is None else Mark(**json.loads(mark)), own=frozenset(own))


def check(db: sqlite3.Connection, epoch: int) -> None:
    """Return if `epoch` is the newest one; Replaced when another coordinator began one with this store."""
    if _get(db, "epoch") != str(epoch):
        raise Replaced("another coordinator is active")


def adopt(db: sqlite3.Connection, entries: Sequence[LogEntry], epoch: int) -> None:
    """Take over what the bus's log says, in its order: what the store lacks is added, what it says
    otherwise is replaced, with all that came after."""
    log_id = _get(db, "log_id")
    known = _entries_like(db, entries)
    news: list[LogEntry] = []
    for entry in (replace(entry, epoch=0) for entry in entries):
        if entry.log_id == log_id and known.get(entry.number) == entry:
            continue
        if entry.log_id != log_id or entry.number in known:
            _add(db, news, epoch)
            news = []
            _take_back(db, 0 if entry.log_id != log_id else entry.number)
            if entry.log_id != log_id:
                db.execute("DELETE FROM proposed")
                db.execute("DELETE FROM withdrawn")
                _set(db, "log_id", log_id := entry.log_id)
            known = _entries_like(db, entries)
        known[entry.number] = entry
        news.append(entry)
    _add(db, news, epoch)


def _entries_like(db: sqlite3.Connection, entries: Sequence[LogEntry]) -> dict[int, Record]:
    """Return what the store says under the numbers from the lowest to the highest of `entries`."""
    numbers = [entry.number for entry in entries]
    rows = db.execute(
        "SELECT number, entry FROM log WHERE number BETWEEN ? AND ?",
        (min(numbers, default=0), max(numbers, default=0)),
    )
    return {number: load_record(body) for number, body in rows}


def _add(db: sqlite3.Connection, entries: Sequence[LogEntry], epoch: int) -> None:
    log.write(db, entries, published=True)
    updates = [entry for entry in entries if isinstance(entry, RefUpdated)]
    for entry in entries:
        _hold(db, entry)
    for element in sorted({entry.element for entry in updates}):
        _doubt(db, element, [f"takeover/{epoch}"], lost=False)


def complete(
    db: sqlite3.Connection, epoch: int, heard: Heard, now: float, *, outlives: bool = False
) -> Settled:
    """End the takeover that began at `now` (Unix seconds) by deciding about what the store has beyond the
    bus's log.

    It is published (again), or taken back when another store was active meanwhile and nobody has heard
    it. A store whose log is not there any more begins a new log if its numbers may have been given out
    since: it was restored, or the bus's log `outlives` this process, and another store may have gone on
    with it before it was lost.
    """
    taken = 0
    lost = outlives and _get(db, "mark") is not None
    if not heard.known and (lost or _get(db, "restored") is not None):
        begin_new_log(db)
    elif heard.foreign:
        later = "SELECT number, published FROM log WHERE number > ? ORDER BY number"
        for number, published in db.execute(later, (heard.last,)).fetchall():
            if not published or number in heard.void:
                taken = _take_back(db, number)
                break
    db.execute("UPDATE log SET published = number <= ? WHERE published <> (number <= ?)", (heard.last,) * 2)
    _raise_again(db)
    pause.hear(db, heard.pause)
    waiting = db.execute("SELECT count(*) FROM log WHERE published = 0").fetchone()[0]
    db.execute("DELETE FROM meta WHERE key = 'restored'")
    _set(db, "mark", json.dumps(asdict(Mark(epoch=epoch, at=now, last=heard.last))))
    _set(db, "own_epochs", json.dumps([epoch]))
    return Settled(log_id=_get(db, "log_id") or "", published=waiting, taken_back=taken)


def look_again(db: sqlite3.Connection, now: float) -> int:
    """After a load has settled the proposals: have those elements tracked that a takeover left unsure
    and that still differ from the branch, or whose announcement was lost; return how many."""
    rows = db.execute(
        "SELECT element, cause FROM unsure WHERE lost"
        " OR element IN (SELECT element FROM proposed) ORDER BY element, cause"
    ).fetchall()
    for element, cause in rows:
        # One event a cause, since the delivery behind a lost announcement is behind the next one.
        jobs.add(db, Refresh(element=element), f"{cause}#takeover", cause, now)
    db.execute("DELETE FROM unsure")
    return len({element for element, _ in rows})


def restored(db: sqlite3.Connection) -> None:
    """Note that this store is a backup that was put back: it may be older than what was announced."""
    _set(db, "restored", "1")


def begin_new_log_if_restored(db: sqlite3.Connection) -> None:
    """For a bus that keeps no log: a restored store's numbers may have been given out since."""
    if _get(db, "restored") is not None:
        begin_new_log(db)
        db.execute("DELETE FROM meta WHERE key = 'restored'")


def begin_new_log(db: sqlite3.Connection) -> None:
    """Give the log a new id, so that cursors of the one before are refused and clients list again."""
    log_id = uuid.uuid4().hex[:12]
    _set(db, "log_id", log_id)
    db.execute(
        "UPDATE log SET published = 0, entry = CAST(json_set(CAST(entry AS TEXT), '$.log_id', ?) AS BLOB)",
        (log_id,),
    )


def _take_back(db: sqlite3.Connection, first: int) -> int:
    """Remove the entries from number `first` on; return how many. What their elements had announced
    before is proposed again, and they are looked at anew; alarms are kept to be raised again."""
    rows = db.execute("SELECT number, entry FROM log WHERE number >= ? ORDER BY number", (first,)).fetchall()
    elements = set()
    for number, body in rows:
        entry = load_record(body)
        if isinstance(entry, AlarmRaised):
            db.execute("INSERT OR REPLACE INTO unheard_alarms VALUES (?, ?)", (number, body))
            continue
        assert isinstance(entry, RefUpdated | RefLanded | RefSuperseded)
        elements.add(entry.element)
        if isinstance(entry, RefUpdated):
            _doubt(db, entry.element, entry.causes, lost=True)
    db.execute("DELETE FROM log WHERE number >= ?", (first,))
    db.execute("DELETE FROM entry_causes WHERE number >= ?", (first,))
    db.execute("UPDATE ended_jobs SET entry = NULL WHERE entry >= ?", (first,))
    for element in sorted(elements):
        _propose_from_log(db, element)
    return len(rows)


def _propose_from_log(db: sqlite3.Connection, element: str) -> None:
    db.execute("DELETE FROM proposed WHERE element = ?", (element,))
    db.execute("DELETE FROM withdrawn WHERE element = ?", (element,))
    for (body,) in db.execute("SELECT entry FROM log WHERE element = ? ORDER BY number", (element,)):
        _hold(db, load_record(body))


def _hold(db: sqlite3.Connection, entry: Record) -> None:
    """Hold as proposed and withdrawn what an entry says."""
    if isinstance(entry, RefUpdated):
        refs.propose(db, entry.element, entry.changes, entry.number)
    elif isinstance(entry, RefLanded | RefSuperseded):
        refs.take(db, entry)


def _doubt(db: sqlite3.Connection, element: str, causes: Iterable[str], *, lost: bool) -> None:
    db.executemany(
        "INSERT INTO unsure VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET lost = max(lost, excluded.lost)",
        [(element, cause, lost) for cause in causes],
    )


def _raise_again(db: sqlite3.Connection) -> None:
    """Append the alarms that nobody has heard, but for those that another coordinator raised meanwhile."""
    bodies = db.execute("SELECT entry FROM unheard_alarms ORDER BY number").fetchall()
    for (body,) in bodies:
        alarm = load_record(body)
        assert isinstance(alarm, AlarmRaised)
        if _said(alarm) in _alarms_of(db, alarm.element):
            continue
        number = db.execute("SELECT coalesce(max(number), 0) + 1 FROM log").fetchone()[0]
        log.write(db, [replace(alarm, log_id=_get(db, "log_id") or "", number=number)])
    db.execute("DELETE FROM unheard_alarms")


def _alarms_of(db: sqlite3.Connection, element: str) -> AbstractSet[tuple[str | None, ...]]:
    rows = db.execute("SELECT entry FROM log WHERE element = ? AND kind = 'alarm_raised'", (element,))
    alarms = (load_record(body) for (body,) in rows)
    return {_said(alarm) for alarm in alarms if isinstance(alarm, AlarmRaised)}


def _said(alarm: AlarmRaised) -> tuple[str | None, ...]:
    return alarm.kind, alarm.repository, alarm.ref, alarm.before, alarm.after


def _get(db: sqlite3.Connection, key: str) -> str | None:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _set(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
