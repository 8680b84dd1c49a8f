"""What servers said last of the files that the sweep asks for, in the store."""

import json
import sqlite3
from collections.abc import Callable, Collection
from functools import partial

from hookfetch.core.files import KnownFile, Validators
from hookfetch.store.database import Database


class SeenFiles:
    """Implements `upstreams.file_sweep.KnownFiles`."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def known_file(self, url: str) -> KnownFile | None:
        """Return what is known of the file at `url`, or None before the first look."""
        return await self._database.run(partial(_known, url=url))

    async def remember_file(self, url: str, validators: Validators, *, changed: bool) -> None:
        """Replace what is known of the file at `url`."""
        now = self._clock()
        await self._database.run(partial(_remember, url=url, validators=validators, changed=changed, now=now))

    async def forget_files_but(self, urls: Collection[str]) -> None:
        """Forget all but the files at `urls`."""
        await self._database.run(partial(_forget_but, urls=urls))


def _known(db: sqlite3.Connection, url: str) -> KnownFile | None:
    row = db.execute(
        "SELECT etag, last_modified, length, seen_at, changed_at FROM files WHERE url = ?", (url,)
    ).fetchone()
    if row is None:
        return None
    etag, last_modified, length, seen_at, changed_at = row
    validators = Validators(etag=etag, last_modified=last_modified, length=length)
    return KnownFile(validators=validators, seen_at=seen_at, changed_at=changed_at)


def _remember(db: sqlite3.Connection, url: str, validators: Validators, changed: bool, now: float) -> None:
    # Where nothing changed it is not the file that is new, but how its server speaks of it.
    db.execute(
        "INSERT INTO files VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT DO UPDATE SET etag = ?2, last_modified = ?3, length = ?4,"
        " seen_at = coalesce(?6, seen_at), changed_at = coalesce(?6, changed_at)",
        (url, validators.etag, validators.last_modified, validators.length, now, now if changed else None),
    )


def _forget_but(db: sqlite3.Connection, urls: Collection[str]) -> None:
    db.execute(
        "DELETE FROM files WHERE url NOT IN (SELECT value FROM json_each(?))", (json.dumps(list(urls)),)
    )
