"""Bringing a store's schema up to date: numbered scripts, each applied once, all of them or none."""

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Iterator
from importlib.abc import Traversable
from importlib.resources import files
from pathlib import Path

from hookfetch.core.errors import ConfigurationError

SCHEMA_VERSION = 9
MIGRATIONS = files("hookfetch.store") / "migrations"  # <version>.sql


def migrate(connection: sqlite3.Connection, path: Path, scripts: Traversable = MIGRATIONS) -> None:
    """Bring the file at `path`, which `connection` has open, to SCHEMA_VERSION.

    Before a file of an older version is changed it is copied beside itself (`store.sqlite.v1`, once).
    Several processes may do this at a time. ConfigurationError when the file is of a newer hookfetch,
    or when a script fails, which leaves the file as it was; sqlite3.OperationalError while it is locked.
    """
    version = version_of(connection)
    if version > SCHEMA_VERSION:
        raise ConfigurationError(
            f"{path}: the store is of version {version}, this hookfetch knows {SCHEMA_VERSION}: "
            "run the newer one"
        )
    if version == SCHEMA_VERSION:
        return
    if version:
        _keep_copy(connection, path, version)
    connection.execute("BEGIN IMMEDIATE")
    try:
        number = 0
        # Asked again, now that nobody else can write: another process may have been faster.
        for number in range(version_of(connection) + 1, SCHEMA_VERSION + 1):
            script = scripts.joinpath(f"{number:04}.sql").read_text(encoding="utf-8")
            for statement in statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        connection.execute("ROLLBACK")
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise
        raise _failed(path, number, error) from error
    except sqlite3.Error as error:
        connection.execute("ROLLBACK")
        raise _failed(path, number, error) from error


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a file's schema, 0 for a new file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def statements(script: str) -> Iterator[str]:
    """Yield a script's statements one by one: run as a whole, it would end the transaction around it."""
    pending = ""
    for part in script.split(";")[:-1]:
        pending += f"{part};"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def copy(connection: sqlite3.Connection, target: Path) -> None:
    """Write all that `connection` sees, as of one moment, to the new file `target`, and to the disk."""
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copied:
        connection.backup(copied)
        copied.execute("PRAGMA journal_mode=DELETE")  # one file, which needs no other beside it
    sync(target)


def sync(path: Path) -> None:
    """Return once a file, or a folder's list of files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_copy(connection: sqlite3.Connection, path: Path, version: int) -> None:
    kept = path.with_name(f"{path.name}.v{version}")
    if kept.exists():
        return
    made = path.with_name(f"{kept.name}.{uuid.uuid4().hex[:8]}")
    made.unlink(missing_ok=True)
    try:
        copy(connection, made)
        with contextlib.closing(sqlite3.connect(made)) as copied:
            if version_of(copied) == version:  # another process may have migrated it before it was read
                made.rename(kept)
                sync(path.parent)
    finally:
        made.unlink(missing_ok=True)


def _failed(path: Path, number: int, error: sqlite3.Error) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: the store cannot be brought to version {number}: {error}; it was left as it is"
    )
