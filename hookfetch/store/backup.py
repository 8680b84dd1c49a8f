"""Copies of stores, and putting them back. A copy is one file of one moment, made while the store is in
use; a store is replaced only while nobody has it open, and what it replaces stays beside it."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from hookfetch.core.errors import ConfigurationError, HookfetchError, Temporary
from hookfetch.store import takeover
from hookfetch.store.hold import Hold
from hookfetch.store.schema import SCHEMA_VERSION, copy, sync, version_of

_SUFFIX = ".sqlite"
_BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A store that was copied or put back: `file` is the new one, `last` its log's newest number (0: none),
    `replaced` where the one before it is now."""

    project: str
    file: str
    bytes: int
    version: int
    last: int
    replaced: str | None = None


def back_up(stores: Mapping[str, Path], target: Path) -> list[Kept]:
    """Copy the stores of projects into the new folder `target`, which is there whole or not at all.

    Stores that do not exist yet are left out. ConfigurationError when there is none or when `target`
    exists, Temporary when a store or the disk cannot be used now.
    """
    if os.path.lexists(target):
        raise ConfigurationError(f"{target}: is there already, and is not overwritten")
    present = {project: path for project, path in stores.items() if path.exists()}
    if not present:
        raise ConfigurationError("there is no store to back up: no coordinator ran with this state_dir yet")
    made = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        made.mkdir(mode=0o700)
        with ExitStack() as holds:
            for path in present.values():
                holds.callback(Hold(path).release)
            kept = [_copy(project, path, made) for project, path in present.items()]
        sync(made)
        made.rename(target)
        sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise Temporary(f"{target}: the backup was not made: {error}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return [_at(each, target) for each in kept]


def restore(source: Path, stores: Mapping[str, Path]) -> list[Kept]:
    """Put the copies in the folder `source` in the place of the projects' stores.

    All are checked before any is touched. ConfigurationError when one is damaged, of a newer hookfetch
    or of a project that is not configured; Temporary while a running hookfetch has a store open.
    """
    copies = {file.name.removesuffix(_SUFFIX): file for file in sorted(source.glob(f"*{_SUFFIX}"))}
    if not copies:
        raise ConfigurationError(f"{source}: holds no backup")
    unknown = sorted(copies.keys() - stores.keys())
    if unknown:
        raise ConfigurationError(f"{source}: no such project is configured: {', '.join(unknown)}")
    for file in copies.values():
        _check(file)
    try:
        with ExitStack() as holds:
            for project in copies:
                stores[project].parent.mkdir(parents=True, exist_ok=True)
                holds.callback(_alone(stores[project]).release)
            return [_put_back(project, file, stores[project]) for project, file in copies.items()]
    except (OSError, sqlite3.Error) as error:
        raise Temporary(f"{source}: not everything was restored: {error}") from error


def _alone(store: Path) -> Hold:
    try:
        return Hold(store, alone=True)
    except Temporary as error:  # nothing that is tried again by itself: a person has to stop the service
        raise HookfetchError(f"{error}: stop it first, on every machine that has this disk") from error


def _copy(project: str, path: Path, folder: Path) -> Kept:
    file = folder / f"{project}{_SUFFIX}"
    with _opened(path) as connection:
        copy(connection, file)
    _check(file)
    return _described(project, file)


def _put_back(project: str, file: Path, store: Path) -> Kept:
    fresh = store.with_name(f"{store.name}.restoring")
    fresh.unlink(missing_ok=True)
    shutil.copyfile(file, fresh)
    with _opened(fresh) as connection:
        connection.execute("BEGIN IMMEDIATE")
        takeover.restored(connection)
        connection.execute("COMMIT")
    sync(fresh)
    replaced = _set_aside(store) if store.exists() else None
    fresh.rename(store)
    sync(store.parent)
    return _described(project, store, replaced)


def _set_aside(store: Path) -> Path:
    """Move a store to a name of its own. What is in its journal goes into the file first; one that is
    too damaged for it keeps its journal beside it, under the new name."""
    with contextlib.suppress(sqlite3.Error), _opened(store) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    when = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    aside = store.with_name(f"{store.name}.replaced-{when}")
    store.rename(aside)
    for end in ("-wal", "-shm"):
        journal = store.with_name(store.name + end)
        if journal.exists():
            journal.rename(aside.with_name(aside.name + end))
    return aside


def _check(file: Path) -> None:
    """Raise ConfigurationError unless `file` is a whole store that this hookfetch can read."""
    try:
        with _opened(file, "ro") as connection:
            version = version_of(connection)
            first = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            connection.execute("SELECT max(number) FROM log").fetchone()
    except sqlite3.Error as error:
        raise ConfigurationError(f"{file}: is damaged, or no store: {error}") from error
    if first != "ok":
        raise ConfigurationError(f"{file}: is damaged: {first}")
    if version > SCHEMA_VERSION:
        raise ConfigurationError(
            f"{file}: is of version {version}, this hookfetch knows {SCHEMA_VERSION}: run the newer one"
        )


def _described(project: str, file: Path, replaced: Path | None = None) -> Kept:
    with _opened(file, "ro") as connection:
        return Kept(
            project=project,
            file=str(file),
            bytes=file.stat().st_size,
            version=version_of(connection),
            last=connection.execute("SELECT coalesce(max(number), 0) FROM log").fetchone()[0],
            replaced=None if replaced is None else str(replaced),
        )


def _at(kept: Kept, folder: Path) -> Kept:
    return replace(kept, file=str(folder / Path(kept.file).name))


@contextmanager
def _opened(path: Path, mode: str = "rw") -> Iterator[sqlite3.Connection]:
    """Open a file that exists; none is made."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    with contextlib.closing(
        sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
    ) as connection:
        yield connection
