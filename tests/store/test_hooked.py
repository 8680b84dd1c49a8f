"""What deliveries told and the sweep found, in the store: who is hooked, and what a hook missed."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from hookfetch.core.events import BranchDeleted, BranchPushed, TagPushed
from hookfetch.core.observation import HOOKED_FOR, RefFact, RemoteRef, Standing
from hookfetch.core.repository import RepositoryId
from hookfetch.store import hooked
from hookfetch.store.database import Database
from hookfetch.store.hooked import GRACE, Missed
from hookfetch.store.observed import ObservedRefs

HERE = RepositoryId("example.org/a")
MAIN = "refs/heads/main"
A, B, C = "a" * 40, "b" * 40, "c" * 40


def pushed(commit: str | None, ref: str = MAIN, after: str | None = None) -> RefFact:
    kind = TagPushed if ref.startswith("refs/tags/") else BranchPushed
    return kind(
        id="1#0",
        delivery_id="1",
        observed_at=0.0,
        repositories=(HERE,),
        ref=ref,
        after=after or commit,
        target=commit,
    )


def deleted() -> RefFact:
    return BranchDeleted(id="1#0", delivery_id="1", observed_at=0.0, repositories=(HERE,), ref=MAIN)


class Store:
    """A store with a clock that the test moves."""

    def __init__(self, database: Database) -> None:
        self.now = 1e6
        self.database = database
        self.observed = ObservedRefs(database, lambda: self.now)

    async def tell(self, fact: RefFact) -> None:
        await self.database.run(partial(hooked.tell, fact=fact, now=self.now))

    async def find(self, *news: RefFact) -> None:
        refs = {fact.ref: RemoteRef(oid=fact.after or C) for fact in news}
        await self.observed.remember_refs(HERE, refs, news)

    async def missed(self, later: float = GRACE) -> list[Missed]:
        self.now += later
        return await self.database.run(partial(hooked.count_missed, now=self.now))

    async def standing(self) -> Standing:
        known = await self.observed.standing(HERE)
        assert known is not None
        return known


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    database = Database(tmp_path / "store.sqlite")
    await database.open()
    yield Store(database)
    await database.close()


async def test_what_no_delivery_tells_within_the_grace_is_missed_once(store: Store) -> None:
    await store.tell(pushed(A))
    await store.find(pushed(B))
    assert await store.missed(GRACE - 1) == []
    assert await store.missed(1) == [Missed(repository=HERE, ref=MAIN, target=B, found_at=1e6)]
    assert await store.missed() == []
    assert await store.database.run(hooked.missed_in_all) == (1, 1e6)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (pushed(B), pushed(B)),
        (pushed(B, "refs/tags/v1", after=C), pushed(B, "refs/tags/v1")),
        (pushed(B, "refs/tags/v1", after=C), pushed(None, "refs/tags/v1", after=C)),
        (pushed(B), pushed(None)),
        (deleted(), deleted()),
    ],
)
@pytest.mark.parametrize("first", ["the hook", "the sweep"])
async def test_what_both_tell_is_not_missed_whoever_is_first(
    store: Store, found: RefFact, told: RefFact, first: str
) -> None:
    await store.tell(pushed(A))
    if first == "the hook":
        await store.tell(told)
        await store.find(found)
    else:
        await store.find(found)
        await store.tell(told)
    assert await store.missed() == []


async def test_a_delivery_of_another_ref_or_commit_is_no_such_word(store: Store) -> None:
    await store.tell(pushed(A))
    await store.find(pushed(B), pushed(C, "refs/heads/next"), deleted())
    await store.tell(pushed(B, "refs/heads/next"))
    await store.tell(pushed(A))
    assert [(each.ref, each.target) for each in await store.missed()] == [
        (MAIN, None),
        (MAIN, B),
        ("refs/heads/next", C),
    ]


async def test_of_a_repository_without_a_hook_nothing_is_missed(store: Store) -> None:
    await store.find(pushed(B))
    assert await store.missed() == []
    await store.tell(pushed(A))
    store.now += HOOKED_FOR
    await store.find(pushed(C))
    assert await store.missed() == []


async def test_the_standing_says_what_changed_and_what_was_told_and_missed(store: Store) -> None:
    assert await store.observed.standing(HERE) is None
    await store.observed.remember_refs(HERE, {}, [])
    assert await store.standing() == Standing(seen_at=1e6)
    store.now = 2e6
    await store.tell(pushed(A))
    await store.find(pushed(B))
    await store.missed()
    assert await store.standing() == Standing(seen_at=2e6, changed_at=2e6, told_at=2e6, missed_at=2e6)
    # Who follows it changed, and nothing upstream.
    await store.observed.remember_refs(HERE, {}, [])
    assert (await store.standing()).changed_at == 2e6


async def test_tellings_are_kept_for_a_time_and_only_so_many(store: Store) -> None:
    for commit in (A, B, C):
        store.now += 1
        await store.tell(pushed(commit))
    compact = partial(hooked.compact, keep=2, told_before=0.0)
    await store.database.run(compact)
    kept = await store.database.run(lambda db: db.execute("SELECT target FROM told ORDER BY 1").fetchall())
    assert kept == [(B,), (C,)]
    await store.database.run(partial(hooked.compact, keep=2, told_before=store.now + 1))
    left = "SELECT (SELECT count(*) FROM told) + (SELECT count(*) FROM hooked)"
    assert await store.database.run(lambda db: db.execute(left).fetchone()) == (0,)
