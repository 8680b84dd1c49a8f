"""What the upstreams held when the sweep last asked them, in the store."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from hookfetch.core.commands import Hear
from hookfetch.core.observation import RefFact, RemoteRef, Standing
from hookfetch.core.repository import RepositoryId
from hookfetch.store import hooked
from hookfetch.store.database import Database


class ObservedRefs:
    """The sweep's memory. A repository that was never asked has none; an empty one has an empty one."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def known_refs(self, repository: RepositoryId) -> Mapping[str, RemoteRef] | None:
        """Return what `repository` held when it was last asked, or None before that."""
        return await self._database.run(partial(observed, repository=repository))

    async def standing(self, repository: RepositoryId) -> Standing | None:
        """Return what is known of `repository`, or None before it was first asked."""
        return await self._database.run(partial(_standing, repository=repository))

    async def remember_refs(
        self, repository: RepositoryId, refs: Mapping[str, RemoteRef], news: Sequence[RefFact]
    ) -> None:
        """Replace what `repository` is known to hold; a hook, if there is one, should tell of `news`."""
        await self._database.run(
            partial(_observe, repository=repository, refs=refs, news=news, now=self._clock())
        )


def observed(db: sqlite3.Connection, repository: RepositoryId) -> dict[str, RemoteRef] | None:
    """Return what `repository` held when it was last asked, or None before that."""
    known = db.execute("SELECT 1 FROM observed_repositories WHERE repository = ?", (repository,)).fetchone()
    if known is None:
        return None
    rows = db.execute("SELECT ref, oid, peeled FROM observed WHERE repository = ?", (repository,))
    return {ref: RemoteRef(oid=oid, peeled=peeled) for ref, oid, peeled in rows}


def _standing(db: sqlite3.Connection, repository: RepositoryId) -> Standing | None:
    row = db.execute(
        "SELECT observed_at, changed_at, told_at, missed_at"
        " FROM observed_repositories LEFT JOIN hooked USING (repository) WHERE repository = ?",
        (repository,),
    ).fetchone()
    if row is None:
        return None
    seen_at, changed_at, told_at, missed_at = row
    return Standing(seen_at=seen_at, changed_at=changed_at, told_at=told_at, missed_at=missed_at)


def _observe(
    db: sqlite3.Connection,
    repository: RepositoryId,
    refs: Mapping[str, RemoteRef],
    news: Sequence[RefFact],
    now: float,
) -> None:
    before = _standing(db, repository)
    db.execute("DELETE FROM observed_repositories WHERE repository = ?", (repository,))
    # Without news it was not the upstream that changed, but what follows it.
    changed_at = now if news else before and before.changed_at
    db.execute("INSERT INTO observed_repositories VALUES (?, ?, ?)", (repository, now, changed_at))
    hooked.expect(db, news, now)
    db.executemany(
        "INSERT INTO observed VALUES (?, ?, ?, ?)",
        [(repository, name, ref.oid, ref.peeled) for name, ref in refs.items()],
    )


def recall(db: sqlite3.Connection, repository: RepositoryId, ref: str, oid: str | None) -> None:
    """Have `repository` known to hold `ref` at `oid`, or not known to hold it."""
    if oid is None:
        db.execute("DELETE FROM observed WHERE repository = ? AND ref = ?", (repository, ref))
    else:
        row = (oid, repository, ref)
        db.execute("UPDATE observed SET oid = ?, peeled = NULL WHERE repository = ? AND ref = ?", row)


def hear(db: sqlite3.Connection, said: Hear) -> None:
    """Have a repository that was asked before known to hold a ref that it was not known to hold."""
    row = (said.repository, said.ref, said.oid, said.peeled)
    db.execute(
        "INSERT OR IGNORE INTO observed SELECT repository, ?2, ?3, ?4 FROM observed_repositories"
        " WHERE repository = ?1",
        row,
    )
