"""The ingress's own record of deliveries: one SQLite row each, in one thread. It holds no bodies, and
is never a reason to hold up a delivery: what it cannot note is missing from the lists, and no more.

A row is durable against the death of the process when `note` returns. A power failure may take the
last seconds of rows, not the deliveries; a replay's number is on disk before it is used.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from hookfetch.core.errors import Temporary
from hookfetch.core.kept import DeliveryFilter, DeliveryRecord, Place, ToldFact

T = TypeVar("T")

RECORDS_MOST = 500_000
# Rows that one call of `forget` deletes, and that one page of `records` looks at.
STEP = 2_000
LOOKED_AT = 50_000
_BUSY_SECONDS = 2.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS delivery (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    hook TEXT NOT NULL,
    received_at REAL NOT NULL,
    relayed_at REAL NOT NULL,
    bytes INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    facts TEXT NOT NULL,
    fact_count INTEGER NOT NULL,
    segment TEXT,
    offset INTEGER,
    ordinal INTEGER,
    UNIQUE (id, received_at)
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_by_time ON delivery (received_at, id);
CREATE TABLE IF NOT EXISTS replay (id TEXT PRIMARY KEY, last INTEGER NOT NULL, at REAL NOT NULL) STRICT;
"""
_COLUMNS = (
    "id, hook, received_at, relayed_at, bytes, outcome, reason, facts, fact_count, segment, offset, ordinal"
)
_SELECT = (
    f"SELECT {_COLUMNS}, EXISTS (SELECT 1 FROM delivery AS first"  # noqa: S608 (constants)
    " WHERE first.id = delivery.id AND first.received_at < delivery.received_at) FROM delivery"
)

_compact = json.JSONEncoder(separators=(",", ":")).encode
_log = structlog.get_logger(__name__)


class DeliveryBook:
    """The rows in the file `path`. A file that is none is set aside and a new one begun."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "delivery-book")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open or make the file. A disk that refuses is logged, and asked again with the next row."""
        try:
            await self._in(self._open)
        except Temporary as error:
            _log.error("delivery_book_not_opened", reason=str(error))

    async def close(self) -> None:
        """Wait for what is running, and close the file."""
        await self._in(self._close)
        await asyncio.to_thread(self._thread.shutdown)

    async def note(self, records: Sequence[DeliveryRecord]) -> None:
        """Keep `records`; one of the same id and time of reception replaces the earlier. Temporary
        when the disk refuses: then none is kept."""
        rows = [_row(record) for record in records]
        statement = f"INSERT OR REPLACE INTO delivery ({_COLUMNS}) VALUES ({','.join('?' * 12)})"  # noqa: S608 (constants)
        await self._run(lambda connection: connection.executemany(statement, rows))

    async def records(
        self, wanted: DeliveryFilter, limit: int, before: tuple[float, str] | None
    ) -> list[DeliveryRecord]:
        """Return at most `limit` records, newest first, that were received before the pair of time and
        id `before`. It looks at most at `LOOKED_AT` rows a call."""
        return await self._run(lambda connection: _page(connection, wanted, limit, before))

    async def find(self, delivery_id: str) -> DeliveryRecord | None:
        """Return the newest record of this id."""
        query = f"{_SELECT} WHERE id = ? ORDER BY received_at DESC LIMIT 1"
        rows = await self._run(lambda connection: connection.execute(query, (delivery_id,)).fetchall())
        return _record(rows[0]) if rows else None

    async def receptions(self, delivery_ids: Sequence[str], limit: int) -> list[DeliveryRecord]:
        """Return the newest `limit` records of these ids, newest first: a redelivery has its own."""
        marks = ",".join("?" * len(delivery_ids))
        query = f"{_SELECT} WHERE id IN ({marks}) ORDER BY received_at DESC, id DESC LIMIT ?"
        values = (*delivery_ids, limit)
        rows = await self._run(lambda connection: connection.execute(query, values).fetchall())
        return [_record(row) for row in rows]

    async def next_replay(self, delivery_id: str, now: float) -> int:
        """Return the number of this replay of a delivery, from 1, never given again; `now` is in
        Unix seconds. On disk when it returns."""

        def count(connection: sqlite3.Connection) -> int:
            statement = (
                "INSERT INTO replay VALUES (?, 1, ?)"
                " ON CONFLICT (id) DO UPDATE SET last = last + 1, at = excluded.at RETURNING last"
            )
            return int(connection.execute(statement, (delivery_id, now)).fetchone()[0])

        return await self._run(count, durable=True)

    async def forget(self, received_before: float) -> int:
        """Delete records received before `received_before` (Unix seconds) and those beyond
        `RECORDS_MOST`, the oldest first, at most `STEP`; return how many."""

        def delete(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM replay WHERE at < ?", (received_before,))
            beyond = connection.execute("SELECT count(*) FROM delivery").fetchone()[0] - RECORDS_MOST
            statement = (
                "DELETE FROM delivery WHERE number IN"
                " (SELECT number FROM delivery WHERE {} ORDER BY received_at, id LIMIT {})"
            )
            old = connection.execute(statement.format("received_at < ?", STEP), (received_before,)).rowcount
            surplus = max(0, min(STEP - old, beyond - old))
            return old + connection.execute(statement.format("TRUE", surplus)).rowcount

        return await self._run(delete)

    async def _run(self, function: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        return await self._in(lambda: self._transaction(function, durable=durable))

    async def _in(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as error:
            raise Temporary(f"{self._path}: {error}") from error

    def _transaction(self, function: Callable[[sqlite3.Connection], T], *, durable: bool) -> T:
        if self._connection is None:
            self._open()  # it failed before: the disk may have room by now
        connection = self._connection
        assert connection is not None
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = function(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._connection = _connect(self._path)
        except sqlite3.OperationalError:
            raise  # the disk: nothing is wrong with the file
        except sqlite3.DatabaseError as error:
            aside = self._path.with_suffix(".damaged")
            _log.error("delivery_book_damaged", reason=str(error), kept_in=aside.name)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._path.replace(aside)
            self._connection = _connect(self._path)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    path.chmod(0o600)
    return connection


def _page(
    connection: sqlite3.Connection, wanted: DeliveryFilter, limit: int, before: tuple[float, str] | None
) -> list[DeliveryRecord]:
    conditions, values = ["TRUE"], list[object]()
    for condition, value in (
        ("hook = ?", wanted.hook),
        ("outcome = ?", wanted.outcome),
        ("received_at >= ?", wanted.since),
        ("received_at < ?", wanted.until),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if before is not None:
        conditions.append("(received_at, id) < (?, ?)")
        values += before
    query = f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY received_at DESC, id DESC LIMIT {LOOKED_AT}"
    found: list[DeliveryRecord] = []
    for row in connection.execute(query, values):
        if len(found) == limit:
            break
        record = _record(row)
        if wanted.admits(record):
            found.append(record)
    return found


def _row(record: DeliveryRecord) -> tuple[object, ...]:
    place = record.place
    # Not `asdict`, which copies deeply: this is done for each delivery.
    facts = [
        {"id": fact.id, "type": fact.type, "repositories": fact.repositories, "ref": fact.ref}
        for fact in record.facts
    ]
    return (
        record.id,
        record.hook,
        record.received_at,
        record.relayed_at,
        record.bytes,
        record.outcome,
        record.reason,
        _compact(facts),
        record.fact_count,
        *((place.segment, place.offset, place.ordinal) if place else (None, None, None)),
    )


def _record(row: tuple[object, ...]) -> DeliveryRecord:
    named = dict(zip([*_COLUMNS.split(", "), "redelivery"], row, strict=True))
    segment, offset, ordinal = named.pop("segment"), named.pop("offset"), named.pop("ordinal")
    facts = [
        ToldFact(**{**fact, "repositories": tuple(fact["repositories"])})
        for fact in json.loads(str(named.pop("facts")))
    ]
    place = None
    if isinstance(segment, str) and isinstance(offset, int) and isinstance(ordinal, int):
        place = Place(segment=segment, offset=offset, ordinal=ordinal)
    redelivery = bool(named.pop("redelivery"))
    return DeliveryRecord(**named, facts=tuple(facts), redelivery=redelivery, place=place)  # type: ignore[arg-type]  # the table is STRICT
