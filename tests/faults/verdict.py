"""What became of every delivery, from what the service left: the coordinator's store, the dead letters,
the log as any reader gets it, and what the upstreams hold. It trusts nothing that the service says
of itself but these.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from hookfetch.core.entries import AlarmRaised, EpochBegan, LogEntry, Record, RefUpdated
from hookfetch.core.refs import holds


@dataclass(slots=True, kw_only=True)
class Verdict:
    """Counts, and one line for each thing that should not be. `did` counts what was done to the service,
    `missing` says what could not be done to it here."""

    accepted: int
    replayed: int
    mended: int
    outcomes: Mapping[str, int]
    dead: int
    lost: int
    doubled: int
    entries: int
    did: Mapping[str, int] = field(default_factory=dict)
    missing: str | None = None
    faults: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the counts as lines for a person: what was done to the service, then what came of it."""
        rows = {
            **self.did,
            "accepted": self.accepted,
            "replayed deliveries, under ids of their own": self.replayed,
            "dead letters that replays brought to life": self.mended,
            **{name: self.outcomes.get(name, 0) for name in ("done", "nothing to do", "coalesced")},
            **{name: count for name, count in self.outcomes.items() if name in {"set aside", "stale"}},
            "dead": self.dead,
            "lost": self.lost,
            "doubled": self.doubled,
            "log entries": self.entries,
        }
        missing = [self.missing] if self.missing else []
        return [f"{count:8d}  {name}" for name, count in rows.items()] + missing + self.faults


def judge(
    *,
    accepted: AbstractSet[str],
    replayed: AbstractSet[str],
    mended: AbstractSet[str],
    outcomes: Mapping[str, Sequence[str | None]],
    letters: Sequence[str],
    records: Iterable[Record],
    upstream: Mapping[str, str],
    committed: Mapping[str, str],
    did: Mapping[str, int],
    missing: str | None,
) -> Verdict:
    """Judge a run. `outcomes` are those of each delivery's events, by delivery, `letters` the dead ones' ids;
    `upstream` and `committed` are the commits that each element should end at, and began at.

    Each id that was accepted has one end: also each `replayed` one, which is a delivery of its own, and the
    `mended` dead letters, which came back to life. A letter that is there twice is no second end.
    """
    counts: Counter[str] = Counter()
    faults = []
    lost = doubled = 0
    dead = set(letters)
    # Whoever asked for a replay and was cut off has it as well.
    replayed = replayed | {delivery for delivery in {*outcomes, *dead} if "~" in delivery}
    for delivery in sorted(accepted | replayed | mended):
        ends = [outcome for outcome in outcomes.get(delivery, ()) if outcome is not None]
        if delivery in dead:
            ends.append("dead")
        if len(ends) == 1:
            counts[ends[0]] += 1
        elif not ends:
            lost += 1
            faults.append(f"lost: {delivery} ({len(outcomes.get(delivery, ()))} open events)")
        else:
            doubled += 1
            faults.append(f"doubled: {delivery}: {', '.join(ends)}")
    log, log_faults, repeats = _valid(records)
    faults += log_faults
    doubled += repeats
    newest = {entry.element: entry for entry in log if isinstance(entry, RefUpdated)}
    for element, commit in upstream.items():
        last = newest.get(element)
        at = committed[element] if last is None else last.changes[0].ref
        if not holds(at, commit):
            faults.append(f"{element}: announced last {at!r}, its upstream holds {commit}")
            lost += 1
    return Verdict(
        accepted=len(accepted),
        replayed=len(replayed),
        mended=len(mended),
        outcomes=counts,
        dead=counts.pop("dead", 0),
        lost=lost,
        doubled=doubled,
        entries=len(log),
        did={**did, "dead letters there twice": len(letters) - len(dead)},
        missing=missing,
        faults=faults,
    )


def _valid(records: Iterable[Record]) -> tuple[list[LogEntry], list[str], int]:
    """Return the entries that count, what is wrong with them, and how many were announced twice.

    What another epoch publishes behind a mark is void, as every reader takes it.
    """
    epoch = 0
    entries: dict[int, LogEntry] = {}
    faults: list[str] = []
    doubled = 0
    for record in records:
        if isinstance(record, EpochBegan):
            epoch = record.epoch
        elif isinstance(record, RefUpdated | AlarmRaised) and record.epoch == epoch:
            before = entries.setdefault(record.number, record)
            if _said(before) != _said(record):
                doubled += 1
                faults.append(f"number {record.number} was used twice: {before.element}, {record.element}")
    numbers = sorted(entries)
    if numbers != list(range(1, len(numbers) + 1)):
        faults.append(f"the log has a gap: {len(numbers)} entries end at number {numbers[-1]}")
    refs: dict[str, object] = {}
    for number in numbers:
        entry = entries[number]
        if isinstance(entry, RefUpdated):
            if refs.get(entry.element) == entry.changes:
                doubled += 1
                faults.append(f"announced twice: {entry.element} at {number}")
            refs[entry.element] = entry.changes
    return [entries[number] for number in numbers], faults, doubled


def _said(entry: LogEntry) -> tuple[object, ...]:
    return entry.log_id, entry.element, entry.causes, entry.announced_at


def outcomes_of(store: Path) -> dict[str, list[str | None]]:
    """Return the outcomes of every event in a coordinator's store, by delivery; None while one is open."""
    found: dict[str, list[str | None]] = {}
    with sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True) as db:
        for delivery, outcome in db.execute("SELECT delivery_id, outcome FROM events"):
            found.setdefault(delivery, []).append(outcome)
    db.close()
    return found


def open_work(store: Path) -> str:
    """Return what a coordinator's store still has to do, as text for a person, empty when nothing."""
    with sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True) as db:
        jobs = db.execute("SELECT element, state, attempt, failures, reason FROM jobs").fetchall()
        entries = db.execute("SELECT count(*) FROM log WHERE published = 0").fetchone()[0]
    db.close()
    return (
        json.dumps([*jobs, *([f"{entries} unpublished entries"] if entries else [])])
        if jobs or entries
        else ""
    )
