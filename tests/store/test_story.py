"""What the store remembers for stories, and who works while it is paused."""

import json
import sqlite3
from pathlib import Path

import pytest

from hookfetch.core.commands import Refresh
from hookfetch.core.questions import Ended, Paused
from hookfetch.store import jobs, log, pause, story

MIGRATIONS = sorted((Path(jobs.__file__).parent / "migrations").glob("*.sql"))


def connect(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


@pytest.fixture
def db(tmp_path: Path) -> sqlite3.Connection:
    connection = connect(tmp_path)
    for script in MIGRATIONS:
        connection.executescript(script.read_text())
    return connection


def test_jobs_that_are_over_are_kept_up_to_a_number_and_an_age(db: sqlite3.Connection) -> None:
    for number in range(3):
        jobs.add(db, Refresh(element=f"{number}.bst"), f"d{number}#0", f"d{number}", now=float(number))
        [due] = jobs.hand_out(db, float(number), 1)
        story.remember_end(db, due.id, "done", None, float(number), None)
        jobs.finish(db, due.id)

    def kept() -> list[str]:
        return [job.element for job in story.jobs_of_deliveries(db, ["d0", "d1", "d2"])]

    assert kept() == ["0.bst", "1.bst", "2.bst"]
    story.compact(db, keep=2, ended_before=0.0)
    assert kept() == ["1.bst", "2.bst"]
    story.compact(db, keep=2, ended_before=1.5)
    assert kept() == ["2.bst"]
    assert db.execute("SELECT cause FROM ended_job_causes").fetchall() == [("d2",)]


def test_while_paused_only_what_somebody_waits_for_is_handed_out(db: sqlite3.Connection) -> None:
    jobs.add(db, Refresh(element="a.bst"), "d#0", "d", now=0.0)
    jobs.add(db, Refresh(element="b.bst", priority="interactive"), "r", "r", now=1.0)
    assert jobs.next_due(db, paused=True) == 1.0
    assert [job.element for job in jobs.hand_out(db, 2.0, 9, paused=True)] == ["b.bst"]
    assert jobs.next_due(db, paused=True) is None
    assert jobs.next_due(db) == 0.0
    assert [job.element for job in jobs.hand_out(db, 2.0, 9)] == ["a.bst"]


def test_the_first_pause_stays_until_it_is_resumed(db: sqlite3.Connection) -> None:
    first = Paused(since=1.0, reason="a freeze", by="me")
    pause.pause(db, first)
    pause.pause(db, Paused(since=2.0, reason="again", by="you"))
    assert pause.paused(db) == first
    pause.resume(db, 3.0)
    pause.resume(db, 4.0)
    assert pause.paused(db) is None


def test_a_delivery_s_replays_are_related_and_others_are_not(db: sqlite3.Connection) -> None:
    for name in ("h/1", "h/1~1", "h/1~12", "h/10", "h/1x", "h/1~", "h/2"):
        log.note(db, f"{name}#0", name, "branch_pushed", 1.0)
    assert sorted(story.related(db, "h/1")) == ["h/1", "h/1~", "h/1~1", "h/1~12"]


def test_each_different_end_of_a_delivery_is_told_once(db: sqlite3.Connection) -> None:
    for number, outcome in enumerate(("done", "done", "set aside")):
        log.note(db, f"d#{number}", "d", "branch_pushed", 1.0)
        log.conclude(db, f"d#{number}", outcome, "404" if outcome == "set aside" else None)  # type: ignore[arg-type]  # words
    log.note(db, "d#3", "d", "branch_pushed", 1.0)
    found = story.outcomes(db, ["d", "unknown"])
    assert set(found) == {
        Ended(delivery_id="d", outcome="done"),
        Ended(delivery_id="d", outcome="set aside", reason="404"),
        Ended(delivery_id="d", outcome=None),
    }


def test_entries_of_an_older_store_are_found_by_their_deliveries(tmp_path: Path) -> None:
    db = connect(tmp_path)
    first, *later = MIGRATIONS
    db.executescript(first.read_text())
    entry = {
        "log_id": "l",
        "number": 1,
        "project": "p",
        "element": "a.bst",
        "causes": ["h/1", "h/2"],
        "announced_at": 1.0,
        "changes": [],
        "cached": True,
        "element_key": None,
        "source_keys": [],
    }
    row = (1, "a.bst", json.dumps(entry).encode(), 1.0)
    db.execute("INSERT INTO log (number, element, entry, announced_at) VALUES (?, ?, ?, ?)", row)
    for script in later:
        db.executescript(script.read_text())
    assert [found.number for found in story.entries_of_deliveries(db, ["h/2"])] == [1]
