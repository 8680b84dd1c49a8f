"""Backups of stores in use, and stores put back: whole or not at all, and never over one in use."""

import contextlib
import sqlite3
import threading
from pathlib import Path

import pytest

from hookfetch.core.errors import ConfigurationError, HookfetchError, Temporary
from hookfetch.store import takeover
from hookfetch.store.backup import back_up, restore
from hookfetch.store.database import Database
from hookfetch.store.hold import Hold
from hookfetch.store.schema import SCHEMA_VERSION


def value(path: Path, query: str) -> object:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchone()[0]


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def make(path: Path, note: str) -> None:
    database = Database(path)
    await database.open()
    await database.run(lambda db: db.execute("INSERT OR REPLACE INTO meta VALUES ('note', ?)", (note,)))
    await database.close()


NOTE = "SELECT value FROM meta WHERE key = 'note'"


async def test_a_store_that_is_written_all_the_time_is_copied_as_of_one_moment(tmp_path: Path) -> None:
    store = tmp_path / "p/store.sqlite"
    database = Database(store)
    await database.open()
    stop, counted = threading.Event(), 0

    def write() -> None:
        nonlocal counted
        with contextlib.closing(sqlite3.connect(store, isolation_level=None, timeout=10.0)) as db:
            while not stop.is_set():
                # Both rows in one transaction: a copy that differs saw half of one.
                db.execute("BEGIN IMMEDIATE")
                for key in ("one", "two"):
                    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, str(counted)))
                db.execute("COMMIT")
                counted += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            while counted <= number:
                stop.wait(0.001)
            [kept] = back_up({"p": store}, tmp_path / f"backup-{number}")
            copied = Path(kept.file)
            assert (copied.parent, kept.version) == (tmp_path / f"backup-{number}", SCHEMA_VERSION)
            assert value(copied, "SELECT count(DISTINCT value) FROM meta WHERE key IN ('one', 'two')") == 1
            assert names(copied.parent) == ["p.sqlite"]
    finally:
        stop.set()
        writer.join()
    await database.close()


async def test_a_backup_overwrites_nothing_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    store, target = tmp_path / "p/store.sqlite", tmp_path / "backup"
    with pytest.raises(ConfigurationError, match="no store to back up"):
        back_up({"p": store}, target)
    await make(store, "one")
    target.mkdir()
    with pytest.raises(ConfigurationError, match="is there already"):
        back_up({"p": store}, target)
    damaged = tmp_path / "q/store.sqlite"
    damaged.parent.mkdir()
    damaged.write_bytes(b"no database" * 1000)
    with pytest.raises(HookfetchError):
        back_up({"p": store, "q": damaged}, tmp_path / "other")
    assert names(tmp_path) == ["backup", "p", "q"]


async def test_a_restored_store_says_so_and_the_one_before_stays_beside_it(tmp_path: Path) -> None:
    store = tmp_path / "p/store.sqlite"
    await make(store, "old")
    back_up({"p": store}, tmp_path / "backup")
    await make(store, "new")
    [kept] = restore(tmp_path / "backup", {"p": store})
    assert (value(store, NOTE), value(store, "SELECT 1 FROM meta WHERE key = 'restored'")) == ("old", 1)
    assert kept.replaced is not None
    assert value(Path(kept.replaced), NOTE) == "new"
    database = Database(store)
    await database.open()
    assert (await database.run(lambda db: takeover.begin(db, 1.0))).epoch == 1000
    await database.close()


async def test_what_a_crash_left_in_the_journal_is_in_the_store_that_was_replaced(tmp_path: Path) -> None:
    store = tmp_path / "p/store.sqlite"
    await make(store, "old")
    back_up({"p": store}, tmp_path / "backup")
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute("UPDATE meta SET value = 'in the journal' WHERE key = 'note'")
        for file in store.parent.glob("store.sqlite*"):  # as the disk is after a power cut
            (crashed / file.name).write_bytes(file.read_bytes())
    assert (crashed / "store.sqlite-wal").stat().st_size > 0
    [kept] = restore(tmp_path / "backup", {"p": crashed / "store.sqlite"})
    assert value(crashed / "store.sqlite", NOTE) == "old"
    assert kept.replaced is not None
    assert value(Path(kept.replaced), NOTE) == "in the journal"


async def test_a_store_in_use_is_not_replaced_and_one_being_replaced_is_not_opened(tmp_path: Path) -> None:
    store = tmp_path / "p/store.sqlite"
    await make(store, "old")
    back_up({"p": store}, tmp_path / "backup")
    database = Database(store)
    await database.open()
    with pytest.raises(HookfetchError, match="a running hookfetch has the store open: stop it first"):
        restore(tmp_path / "backup", {"p": store})
    await database.close()
    hold = Hold(store, alone=True)
    another = Database(store)
    with pytest.raises(Temporary, match="is being restored"):
        await another.open()
    hold.release()
    await another.open()
    await another.close()


@pytest.mark.parametrize("harm", ["cut", "newer", "another file", "unknown project", "empty"])
async def test_what_cannot_be_restored_is_refused_before_anything_is_touched(
    tmp_path: Path, harm: str
) -> None:
    stores = {name: tmp_path / name / "store.sqlite" for name in ("p", "q")}
    for store in stores.values():
        await make(store, "old")
    back_up(stores, tmp_path / "backup")
    last = tmp_path / "backup/q.sqlite"
    if harm == "cut":
        last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    elif harm == "newer":
        with contextlib.closing(sqlite3.connect(last)) as db:
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    elif harm == "another file":
        last.write_text("some text")
    elif harm == "unknown project":
        last.rename(last.with_name("r.sqlite"))
    else:
        for file in (tmp_path / "backup").iterdir():
            file.unlink()
    for store in stores.values():
        await make(store, "new")
    with pytest.raises(ConfigurationError):
        restore(tmp_path / "backup", stores)
    assert {value(store, NOTE) for store in stores.values()} == {"new"}
