"""How elements with open jobs stand, and what a retry and a release change of it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.core.commands import Refresh
from hookfetch.core.standing import ElementStanding
from hookfetch.store import jobs
from hookfetch.store.schema import migrate
from hookfetch.store.standing import standing


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "store.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        migrate(connection, path)
        yield connection


def asked(db: sqlite3.Connection, element: str, now: float) -> None:
    jobs.add(db, Refresh(element=element), f"{element}#0", element, now)


def tried(db: sqlite3.Connection, element: str, now: float) -> str:
    asked(db, element, now)
    [due] = jobs.hand_out(db, now, 99)
    assert due.element == element
    return due.id


def test_those_that_want_a_look_come_first(db: sqlite3.Connection) -> None:
    jobs.put_back(db, tried(db, "d.bst", 1.0), 500.0, "404", failed=True)
    jobs.put_back(db, tried(db, "c.bst", 2.0), 900.0, "gone", failed=True, set_aside_at=3.0)
    jobs.put_back(db, tried(db, "b.bst", 4.0), 901.0, "held: tag", failed=False, set_aside_at=5.0, held=True)
    tried(db, "e.bst", 6.0)
    asked(db, "e.bst", 7.0)
    asked(db, "a.bst", 8.0)
    assert standing(db, now=10.0) == [
        ElementStanding(
            element="c.bst", state="set aside", failures=1, attempts=1, reason="gone", since=3.0, due_at=900.0
        ),
        ElementStanding(
            element="b.bst", state="held", attempts=1, reason="held: tag", since=5.0, due_at=901.0
        ),
        ElementStanding(
            element="d.bst", state="failing", failures=1, attempts=1, reason="404", since=1.0, due_at=500.0
        ),
        ElementStanding(element="e.bst", state="running", attempts=1, since=6.0),
        ElementStanding(element="a.bst", state="waiting", since=8.0),
    ]


def test_a_retry_is_due_at_once_and_forgets_no_failure(db: sqlite3.Connection) -> None:
    jobs.put_back(db, tried(db, "a.bst", 1.0), 900.0, "404", failed=True, set_aside_at=2.0)
    jobs.try_now(db, "a.bst", "request", "request", 3.0)
    [stands] = standing(db, now=3.0)
    assert (stands.state, stands.failures, stands.due_at) == ("set aside", 1, None)
    [due] = jobs.hand_out(db, 3.0, 9)
    assert (due.interactive, jobs.causes(db, due.id)) == (False, ("a.bst", "request"))


def test_a_retry_of_what_only_runs_or_rests_changes_nothing(db: sqlite3.Connection) -> None:
    tried(db, "a.bst", 1.0)
    before = db.execute("SELECT * FROM jobs").fetchall(), db.execute("SELECT * FROM job_causes").fetchall()
    for element in ("a.bst", "b.bst"):
        jobs.try_now(db, element, "request", "request", 3.0)
    after = db.execute("SELECT * FROM jobs").fetchall(), db.execute("SELECT * FROM job_causes").fetchall()
    assert after == before


def test_forgiven_failures_count_anew_also_while_the_job_runs(db: sqlite3.Connection) -> None:
    jobs.put_back(db, tried(db, "a.bst", 1.0), 2.0, "404", failed=True, set_aside_at=1.0)
    [due] = jobs.hand_out(db, 2.0, 9)
    jobs.forgive(db, "a.bst")
    running = jobs.running(db, due.id)
    assert running is not None
    assert running.failures == 0
    jobs.put_back(db, due.id, 900.0, "404", failed=True)
    jobs.forgive(db, "a.bst")
    [stands] = standing(db, now=3.0)
    assert (stands.state, stands.failures) == ("waiting", 0)
