"""The store's file and its one thread. SQLite never runs on the event loop."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from hookfetch.core.errors import ConfigurationError, Temporary
from hookfetch.store.hold import Hold
from hookfetch.store.schema import migrate
from hookfetch.store.writer import writer_of

T = TypeVar("T")

_BUSY_SECONDS = 2.0  # another process writes for a moment, unless it was stopped in the middle
# WAL needs shared memory between processes of one machine; locks there are often not kept at all.
_NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "afs"}
)


class Database:
    """One SQLite connection, used from one thread of its own.

    Every call is a transaction: committed (WAL, synchronous=FULL) when its function
    returns, rolled back when it raises. A full disk or a locked file is Temporary.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"store-{path.parent.name}")
        self._connection: sqlite3.Connection | None = None
        self._hold: Hold | None = None
        self._fence: Callable[[sqlite3.Connection], None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Open or create the file and bring its schema up to date; nothing happens when it is open.

        ConfigurationError on a network file system or a file of a newer hookfetch, Temporary while
        another process is restoring it or writes to it.
        """
        if self._connection is not None:
            return
        refuse_network_file_system(self._path.parent)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        await self._call(self._open)

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Return `function(connection)`, in one transaction."""
        return await self._call(self._transaction, function)

    def fence(self, check: Callable[[sqlite3.Connection], None] | None) -> None:
        """Call `check` first in every transaction from now on; what it raises ends the transaction."""
        self._fence = check

    async def close(self) -> None:
        """Wait for what is running, and close the file; nothing happens when it is closed."""
        if not self._closed:
            self._closed = True
            await self._call(self._close)
            self._thread.shutdown(wait=False)

    async def _call(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def _open(self) -> None:
        hold = Hold(self._path)
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=_BUSY_SECONDS)
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")
            migrate(connection, self._path)
        except BaseException as error:
            connection.close()
            hold.release()
            if isinstance(error, sqlite3.OperationalError):
                raise self._temporary(error) from error
            raise
        self._connection, self._hold = connection, hold

    def _transaction(self, function: Callable[[sqlite3.Connection], T]) -> T:
        assert self._connection is not None
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                if self._fence is not None:
                    self._fence(connection)
                result = function(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise self._temporary(error) from error
        return result

    def _temporary(self, error: sqlite3.OperationalError) -> Temporary:
        writer = writer_of(self._path) if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY else None
        return Temporary(f"{self._path}: {error}{f': {writer}' if writer else ''}")

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._hold is not None:
            self._hold.release()
            self._hold = None


def refuse_network_file_system(folder: Path, mounts: Path = Path("/proc/mounts")) -> None:
    """Raise ConfigurationError when `folder` is, or would be made, on a network file system."""
    try:
        table = mounts.read_text(encoding="utf-8", errors="replace")
    except OSError:  # no such table on this system: nothing can be said against the folder
        return
    absolute = str(folder.resolve())
    kind, longest = "", -1
    for line in table.splitlines():
        _, mount_point, file_system, *_ = line.split(" ")
        mount_point = mount_point.replace("\\040", " ")
        inside = absolute == mount_point or absolute.startswith(mount_point.rstrip("/") + "/")
        if inside and len(mount_point) >= longest:
            kind, longest = file_system, len(mount_point)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise ConfigurationError(
            f"{folder}: state_dir is on {kind}: SQLite needs a local disk, choose another"
        )
