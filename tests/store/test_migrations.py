"""Schemas of real files: brought up to date whole or not at all, by one process or by several at once."""

import contextlib
import json
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hookfetch.core.codec import load_record
from hookfetch.core.entries import RefUpdated
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.observation import RemoteRef, Standing
from hookfetch.core.repository import RepositoryId
from hookfetch.store import hooked, jobs, log, story, takeover
from hookfetch.store.database import Database
from hookfetch.store.observed import ObservedRefs
from hookfetch.store.schema import MIGRATIONS, SCHEMA_VERSION, migrate, statements, version_of

_ENTRY = {
    "log_id": "first",
    "number": 1,
    "project": "p",
    "element": "a.bst",
    "changes": [{"index": 0, "kind": "git_repo", "url": None, "base": "1", "previous": "1", "ref": "2"}],
    "cached": True,
    "element_key": "key",
    "source_keys": ["source"],
    "causes": ["d1"],
    "announced_at": 5.25,
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file of version 1 with a row in every table, as that version wrote it."""
    path = tmp_path / "p" / "store.sqlite"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(f"{MIGRATIONS.joinpath('0001.sql').read_text()} PRAGMA user_version = 1;")
        db.executescript(
            """
            INSERT INTO meta VALUES ('log_id', 'first'), ('epoch', '7');
            INSERT INTO events VALUES ('e1', 'd1', 'branch_pushed', 1.0, NULL, NULL);
            INSERT INTO jobs (id, element, state, track, priority, due_at)
              VALUES ('j', 'b.bst', 'waiting', 1, 1, 2.0);
            INSERT INTO job_causes VALUES ('j', 'e1', 'd1');
            INSERT INTO job_clients VALUES ('j', 'r', 'inbox', 'track');
            INSERT INTO proposed VALUES ('a.bst', 0, 'git_repo', NULL, '"2"', 1);
            INSERT INTO observed_repositories VALUES ('example.org/a', 3.0);
            INSERT INTO observed VALUES ('example.org/a', 'refs/heads/main', '2', NULL);
            INSERT INTO bindings VALUES ('key');
            """
        )
        row = (1, "a.bst", json.dumps(_ENTRY).encode(), 5.25, 1)
        db.execute(
            "INSERT INTO log (number, element, entry, announced_at, published) VALUES (?, ?, ?, ?, ?)", row
        )
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert all(db.execute(f"SELECT 1 FROM {table}").fetchone() for table in tables)  # noqa: S608
    return path


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all that a file holds."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in sorted(tables)}  # noqa: S608


async def test_a_store_of_version_1_works_on_and_is_kept_as_it_was(old: Path) -> None:
    before = rows(old)
    database = Database(old)
    await database.open()
    [(body,)] = await database.run(lambda db: db.execute("SELECT entry FROM log").fetchall())
    entry = load_record(body)
    assert isinstance(entry, RefUpdated)
    assert (entry.number, entry.changes[0].ref, entry.epoch) == (1, "2", 0)
    begun = await database.run(lambda db: takeover.begin(db, 1.0))
    assert begun.epoch == 1000
    [job] = await database.run(lambda db: jobs.hand_out(db, 3.0, 10))
    assert (job.element, job.interactive) == ("b.bst", False)
    assert len(await database.run(lambda db: story.entries_of_deliveries(db, ["d1"]))) == 1
    assert not await database.run(lambda db: log.note(db, "e1", "d1", "branch_pushed", 2.0))
    await database.close()
    kept = old.with_name("store.sqlite.v1")
    assert rows(kept) == before
    assert sorted(file.name for file in old.parent.iterdir()) == [
        "store.sqlite",
        "store.sqlite.lock",
        kept.name,
    ]


async def test_a_store_of_version_3_knows_its_repositories_and_no_hook_yet(old: Path) -> None:
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as db:
        for number in (2, 3):
            db.executescript(MIGRATIONS.joinpath(f"{number:04}.sql").read_text())
        db.execute("PRAGMA user_version = 3")
    database = Database(old)
    await database.open()
    observed = ObservedRefs(database, lambda: 9.0)
    here = RepositoryId("example.org/a")
    assert await observed.standing(here) == Standing(seen_at=3.0)
    assert await observed.known_refs(here) == {"refs/heads/main": RemoteRef(oid="2")}
    assert await database.run(hooked.missed_in_all) == (0, None)
    await database.close()
    assert old.with_name("store.sqlite.v3").exists()


def test_a_script_that_fails_leaves_the_old_version_whole(old: Path, tmp_path: Path) -> None:
    before = rows(old)
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "0002.sql").write_text(
        "CREATE TABLE half (x TEXT); -- then\nDELETE FROM jobs; INSERT INTO nowhere VALUES (1);"
    )
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as db:
        with pytest.raises(ConfigurationError, match=r"to version 2: no such table: nowhere; it was left as"):
            migrate(db, old, scripts)
        assert version_of(db) == 1
    assert rows(old) == before


def test_several_processes_that_open_at_once_migrate_once(old: Path) -> None:
    def open_and_migrate(_: int) -> int:
        with contextlib.closing(sqlite3.connect(old, isolation_level=None, timeout=20.0)) as db:
            migrate(db, old)
            return version_of(db)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(open_and_migrate, range(16))) == {SCHEMA_VERSION}
    assert rows(old.with_name("store.sqlite.v1"))["meta"] == [("epoch", "7"), ("log_id", "first")]


def test_the_copy_from_before_is_made_once(old: Path) -> None:
    first = old.with_name("store.sqlite.v1")
    shutil.copyfile(old, first)
    written = first.stat().st_mtime_ns
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as db:
        migrate(db, old)
    assert first.stat().st_mtime_ns == written


def test_a_script_is_run_statement_by_statement() -> None:
    script = "-- a; comment\nCREATE TABLE a (x); -- and; more\n\nINSERT INTO a\n VALUES (';');\n-- the end"
    assert [text.strip().rsplit("\n", 1)[-1] for text in statements(script)][-1].endswith("VALUES (';');")
    for number in range(1, SCHEMA_VERSION + 1):
        whole = MIGRATIONS.joinpath(f"{number:04}.sql").read_text()
        last = whole.rstrip().rsplit(";", 1)[1]
        assert all(not line or line.startswith("--") for line in last.strip().splitlines())
