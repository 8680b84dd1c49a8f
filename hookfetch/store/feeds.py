"""What feeds said when they were last read, in the store: their releases, and since when each version is
known. A version is never forgotten because a feed tells of it no more.
"""

import json
import sqlite3
import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from pydantic import TypeAdapter

from hookfetch.core.feeds import FeedKey, KnownFeed
from hookfetch.core.files import Validators
from hookfetch.core.releases import Release
from hookfetch.store.database import Database

_RELEASES = TypeAdapter(tuple[Release, ...])
KEPT_VERSIONS = 50_000  # of a feed; as many as one document may have
_MAX_RELEASES = 64 * 1024 * 1024  # bytes of JSON; what is written here has less

Kept = tuple[tuple[Release, ...], Mapping[str, datetime]]


class SeenFeeds:
    """Implements `upstreams.known_feeds.KnownFeeds`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known_feeds(self) -> Mapping[FeedKey, KnownFeed]:
        """Return what is known of every feed."""
        return await self._database.run(known)

    async def kept(self, feed: FeedKey) -> Kept:
        """Return the releases of the last look that had some, and since when each version is known."""
        return await self._database.run(partial(_kept, feed=_name(feed)))

    async def remember_feed(
        self, feed: FeedKey, known: KnownFeed, releases: Sequence[Release], now: float
    ) -> bool:
        """Replace what is known of a feed and its releases; return whether a version is new."""
        packed = zlib.compress(_RELEASES.dump_json(tuple(releases)), 1)
        versions = list(dict.fromkeys(each.version for each in releases if each.version is not None))
        replace = partial(_remember, feed=_name(feed), known=known, packed=packed, versions=versions, now=now)
        return await self._database.run(replace)

    async def note_feed(self, feed: FeedKey, known: KnownFeed) -> None:
        """Replace what is known of a feed; its releases stay."""
        await self._database.run(partial(_write, feed=_name(feed), known=known))

    async def forget_feeds_but(self, feeds: Collection[FeedKey]) -> None:
        """Forget all but these."""
        await self._database.run(partial(_forget_but, feeds=[_name(feed) for feed in feeds]))


def _name(feed: FeedKey) -> str:
    return " ".join(feed)


def known(db: sqlite3.Connection) -> dict[FeedKey, KnownFeed]:
    """Return what is known of every feed."""
    rows = db.execute(
        "SELECT feed, etag, last_modified, releases IS NOT NULL, count, seen_at, changed_at, moved_to,"
        " failing_since, error FROM feeds"
    )
    found = {}
    for name, etag, last_modified, read, count, seen_at, changed_at, moved_to, failing_since, error in rows:
        kind, _, url = name.partition(" ")
        found[kind, url] = KnownFeed(
            validators=Validators(etag=etag, last_modified=last_modified) if read else None,
            seen_at=seen_at,
            changed_at=changed_at,
            releases=count,
            moved_to=moved_to,
            failing_since=failing_since,
            error=error,
        )
    return found


def _kept(db: sqlite3.Connection, feed: str) -> Kept:
    row = db.execute("SELECT releases FROM feeds WHERE feed = ?", (feed,)).fetchone()
    if row is None or row[0] is None:
        return (), {}
    releases = _RELEASES.validate_json(zlib.decompressobj().decompress(row[0], _MAX_RELEASES))
    seen = db.execute("SELECT version, first_seen FROM feed_versions WHERE feed = ?", (feed,))
    return releases, {version: datetime.fromtimestamp(first, UTC) for version, first in seen}


def _remember(
    db: sqlite3.Connection, feed: str, known: KnownFeed, packed: bytes, versions: Sequence[str], now: float
) -> bool:
    _write(db, feed, known)
    db.execute("UPDATE feeds SET releases = ? WHERE feed = ?", (packed, feed))
    added = db.execute(
        "INSERT OR IGNORE INTO feed_versions SELECT ?, value, ? FROM json_each(?)",
        (feed, now, json.dumps(versions)),
    )
    db.execute(
        "DELETE FROM feed_versions WHERE feed = ?1 AND version IN (SELECT version FROM feed_versions"
        " WHERE feed = ?1 ORDER BY first_seen DESC, version LIMIT -1 OFFSET ?2)",
        (feed, KEPT_VERSIONS),
    )
    return added.rowcount > 0


def _write(db: sqlite3.Connection, feed: str, known: KnownFeed) -> None:
    validators = known.validators or Validators()
    db.execute(
        "INSERT INTO feeds"
        " (feed, etag, last_modified, count, seen_at, changed_at, moved_to, failing_since, error)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        " ON CONFLICT DO UPDATE SET etag = ?2, last_modified = ?3, count = ?4, seen_at = ?5, changed_at = ?6,"
        " moved_to = ?7, failing_since = ?8, error = ?9",
        (
            feed,
            validators.etag,
            validators.last_modified,
            known.releases,
            known.seen_at,
            known.changed_at,
            known.moved_to,
            known.failing_since,
            known.error,
        ),
    )


def _forget_but(db: sqlite3.Connection, feeds: Sequence[str]) -> None:
    db.execute("DELETE FROM feeds WHERE feed NOT IN (SELECT value FROM json_each(?))", (json.dumps(feeds),))
