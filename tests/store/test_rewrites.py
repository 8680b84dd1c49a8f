"""What the store keeps of told rewrites: in order, for a while, and a bounded number."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.core.rewrites import Rewrite
from hookfetch.store import rewrites
from hookfetch.store.schema import MIGRATIONS, migrate

REWRITE = Rewrite(
    element="a.bst",
    repository="example.org/a",
    ref="refs/heads/main",
    kind="branch_rewound",
    before="1",
    after="2",
    target="2",
    held=True,
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "store.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, path)
        yield connection


def test_one_that_is_past_is_known_until_nobody_can_tell_of_it_any_more(db: sqlite3.Connection) -> None:
    rewrites.remember(db, REWRITE, 1.0)
    [known] = rewrites.of(db, "a.bst")
    rewrites.note_telling(db, known, "hook/1#0")
    rewrites.move_on(db, known)
    [past] = rewrites.of(db, "a.bst")
    assert (past.past, past.held, past.told_by) == (True, False, ("hook/1#0",))
    rewrites.remember(db, REWRITE, 1.0 + rewrites.LATE)
    assert [each.past for each in rewrites.of(db, "a.bst")] == [True, False]
    rewrites.remember(db, REWRITE, 2.0 + rewrites.LATE)
    assert [each.past for each in rewrites.of(db, "a.bst")] == [False, False]


def test_a_ref_that_is_rewritten_without_end_keeps_the_newest(db: sqlite3.Connection) -> None:
    for _ in range(rewrites.KEPT + 5):
        rewrites.remember(db, REWRITE, 1.0)
    kept = rewrites.of(db, "a.bst")
    assert [each.number for each in kept] == list(range(6, rewrites.KEPT + 6))


def test_a_store_of_version_2_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        scripts = (MIGRATIONS.joinpath(f"{number:04}.sql").read_text() for number in (1, 2))
        db.executescript(f"{''.join(scripts)} PRAGMA user_version = 2;")
        db.execute(
            "INSERT INTO rewrites VALUES ('a.bst', 'example.org/a', 'refs/heads/main', 'branch_rewound',"
            " '1', '2', '2', 1)"
        )
        migrate(db, path)
        [kept] = rewrites.of(db, "a.bst")
    assert (kept.number, kept.held, kept.past, kept.told_by, kept.after) == (1, True, False, (), "2")
