"""Newer versions in the store: waited for with a time of their own, and joined to the element's jobs."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.core.moves import WantedMove
from hookfetch.store import jobs, moves
from hookfetch.store.schema import migrate


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    migrate(connection, tmp_path / "store.sqlite")
    yield connection
    connection.close()


def want(db: sqlite3.Connection, version: str = "1.1", current: str = "1.0") -> WantedMove:
    wanted = WantedMove(current=current, version=version, feed="https://host/", urls=("https://host/a.tgz",))
    moves.want(db, "a.bst", wanted, f"{version}#0", version, 0.0)
    return wanted


def test_the_next_job_has_the_newest_release(db: sqlite3.Connection) -> None:
    want(db, "1.1")
    wanted = want(db, "1.2")
    assert moves.for_job(db, "a.bst", asked=False) == wanted
    assert moves.for_job(db, "b.bst", asked=True) is None


def test_what_is_waited_for_begins_a_job_when_it_is_due_and_is_in_no_job_before(
    db: sqlite3.Connection,
) -> None:
    wanted = want(db)
    moves.postpone(db, "a.bst", "1.1", "HTTP 404", 300.0)
    assert moves.next_due(db) == 300.0
    assert moves.for_job(db, "a.bst", asked=False) is None
    assert moves.for_job(db, "a.bst", asked=True) == wanted
    (told,) = moves.standing(db, 0.0)
    assert (told.state, told.reason) == ("waiting", "version 1.1: seen, not downloadable yet: HTTP 404")
    moves.wake(db, 299.0)
    assert not jobs.is_open(db, "a.bst")
    moves.wake(db, 300.0)
    moves.wake(db, 301.0)
    (job,) = jobs.hand_out(db, 301.0, 9)
    assert (job.element, moves.for_job(db, "a.bst", asked=False)) == ("a.bst", wanted)


def test_what_is_given_up_is_set_aside_until_a_newer_one_comes(db: sqlite3.Connection) -> None:
    want(db)
    moves.postpone(db, "a.bst", "1.1", "is a page of HTML", None)
    assert moves.next_due(db) is None
    assert moves.for_job(db, "a.bst", asked=False) is None
    (told,) = moves.standing(db, 0.0)
    assert (told.state, told.reason) == ("set aside", "version 1.1: is a page of HTML")
    newer = want(db, "1.2")
    assert moves.for_job(db, "a.bst", asked=False) == newer
    assert moves.standing(db, 0.0) == []


def test_two_versions_of_one_element_move_one_after_the_other(db: sqlite3.Connection) -> None:
    want(db, "1.1", "1.0")
    other = want(db, "7.1", "7.0")
    moves.arrived(db, "a.bst", "1.1", 5.0)
    assert moves.for_job(db, "a.bst", asked=False) == other
    (job,) = jobs.hand_out(db, 5.0, 9)
    assert job.element == "a.bst"
    moves.forget(db, "a.bst")
    assert moves.of(db, "a.bst") == []
