"""A push to the project's own repository reloads its branch: what landed, what a person chose instead,
what is new and what is gone; a commit that does not load harms nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.coordinator.loader import Loader
from hookfetch.core.entries import RefLanded, RefSuperseded
from hookfetch.core.errors import Permanent
from hookfetch.core.events import TrackRequested
from hookfetch.core.own import OwnBranch
from hookfetch.core.repository import identify, routing_key
from hookfetch.store.database import Database
from tests.coordinator.service import NEW, OLD, FakeEngine, Service, element, until, until_rows, url

OTHER, NEWER = "3" * 40, "4" * 40


@asynccontextmanager
async def project(root: Path, engine: FakeEngine) -> AsyncIterator[Service]:
    """A project `p` in the repository `own`, loaded at commit `r1`; its sources are fetched ahead."""
    place = identify(url("own"))
    assert place is not None
    engine.revision = engine.revision or "r1"
    own = OwnBranch(repository=place, url=url("own"), ref="refs/heads/main")
    async with Service(root, engine, own=own) as service:
        await until_rows(lambda: service.rows("SELECT count(*) FROM jobs"), [(0,)])
        yield service


async def commit(service: Service, revision: str, **refs: str | None) -> None:
    """Push a commit to the project's branch in which elements have `refs`, and wait for its reload."""
    service.engine.elements = tuple(element(name, ref) for name, ref in refs.items())
    service.engine.revision = revision
    await service.push("own", f"delivery-{revision}", after="5" * 40)
    await until(lambda: service.loader.revision == revision)
    await until_rows(lambda: service.rows("SELECT count(*) FROM jobs"), [(0,)])


async def test_a_commit_with_the_announced_ref_is_its_landing(tmp_path: Path) -> None:
    async with project(tmp_path, FakeEngine(a=NEW)) as service:
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        await commit(service, "r2", a=NEW, b=OLD)
        await until(lambda: len(service.settled) == 1)
        (landed,) = service.settled
        assert isinstance(landed, RefLanded)
        assert (landed.element, landed.revision, landed.causes) == ("a.bst", "r2", ("delivery-r2",))
        assert [(each.announced, each.committed) for each in landed.sources] == [(NEW, NEW)]
        assert await service.rows("SELECT element FROM proposed") == []


async def test_a_commit_with_another_ref_withdraws_the_announced_one(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with project(tmp_path, engine) as service:
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        await commit(service, "r2", a=OTHER, b=OLD)
        await until(lambda: len(service.settled) == 1)
        (withdrawn,) = service.settled
        assert isinstance(withdrawn, RefSuperseded)
        assert [(each.announced, each.committed) for each in withdrawn.sources] == [(NEW, OTHER)]
        # The upstream has not moved since: what the person chose stays.
        await service.push("a", "d2")
        await until_rows(
            lambda: service.rows("SELECT outcome FROM events WHERE delivery_id = 'd2'"), [("done",)]
        )
        assert len(service.entries) == 1
        # A client who asks hears what upstream has.
        reply = await service.ask(TrackRequested(id="ask", element="a.bst", reply_to=service.inbox.address))
        assert [change.ref for change in reply.changes] == [NEW]
        # It moves: that is news.
        engine.upstream["a.bst"] = NEWER
        await service.push("a", "d3", after=NEWER)
        await until(lambda: service.entries[-1].changes[0].ref == NEWER)
        assert service.entries[-1].changes[0].base == OTHER
        assert await service.rows("SELECT element FROM withdrawn") == []


async def test_a_commit_that_leaves_the_ref_alone_leaves_the_proposal(tmp_path: Path) -> None:
    async with project(tmp_path, FakeEngine(a=NEW)) as service:
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        await commit(service, "r2", a=OLD, b=NEW)
        assert await service.rows("SELECT element, ref FROM proposed") == [("a.bst", f'"{NEW}"')]
        assert service.settled == []
        # And is not announced again.
        await service.push("a", "d2")
        await until_rows(
            lambda: service.rows("SELECT outcome FROM events WHERE delivery_id = 'd2'"), [("nothing to do",)]
        )
        assert len(service.entries) == 1


async def test_new_and_changed_elements_are_fetched_and_others_are_left_alone(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with project(tmp_path, engine) as service:
        # All of it at a cold start, at the refs of the branch.
        assert sorted(job.element for job in engine.ran) == ["a.bst", "b.bst"]
        assert {(job.track, job.priority, job.revision) for job in engine.ran} == {
            (False, "background", "r1")
        }
        await commit(service, "r2", a=OLD, b=NEW, c=OLD, d=None)
        assert sorted(job.element for job in engine.ran[2:]) == ["b.bst", "c.bst"]
        assert {job.revision for job in engine.ran[2:]} == {"r2"}
        assert service.entries == []  # nothing moved upstream
        # The next start asks for nothing that it has asked for.
    async with project(tmp_path, engine) as service:
        assert len(engine.ran) == 4


async def test_an_element_that_left_is_followed_no_more(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW, b=NEW)
    async with project(tmp_path, engine) as service:
        await service.push("b", "d1")
        await until(lambda: len(service.entries) == 1)
        await commit(service, "r2", a=OLD)
        await until(lambda: len(service.settled) == 1)
        assert isinstance(service.settled[0], RefSuperseded)
        assert service.settled[0].sources[0].committed is None
        ran = len(engine.ran)
        await service.push("b", "d2", after=NEWER)  # nobody is bound to it
        await service.push("a", "d3")
        await until(lambda: len(service.entries) == 2)
        assert [job.element for job in engine.ran[ran:]] == ["a.bst"]
        assert await service.rows("SELECT id FROM events WHERE delivery_id = 'd2'") == []


async def test_a_commit_that_does_not_load_leaves_the_last_good_one_in_use(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with project(tmp_path, engine) as service:
        engine.load_error, engine.revision = Permanent("a.bst [line 3]: no such kind"), "r2"
        await service.push("own", "bad", after="5" * 40)
        await until(lambda: service.loader.unhealthy is not None)
        assert service.loader.unhealthy == "a.bst [line 3]: no such kind"
        assert service.loader.revision == "r1"
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)  # work goes on, on what loads
        assert engine.ran[-1].revision == "r1"
        engine.load_error = None
        await commit(service, "r3", a=NEW, b=OLD)
        assert service.loader.unhealthy is None
        await until(lambda: len(service.settled) == 1)


async def test_a_push_to_another_branch_of_the_project_loads_nothing(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with project(tmp_path, engine) as service:
        own = service.loader.own
        assert own is not None
        service.loader.own = OwnBranch(repository=own.repository, url=own.url, ref="refs/heads/stable")
        engine.revision = "r2"
        await service.push("own", "d1")
        await until_rows(
            lambda: service.rows("SELECT outcome FROM events WHERE delivery_id = 'd1'"), [("nothing to do",)]
        )
        assert engine.loads == 1


async def test_a_first_commit_that_does_not_load_is_mended_by_a_push(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.load_error = Permanent("project.conf: no name")
    async with project(tmp_path, engine) as service:
        assert service.loader.index is None
        engine.load_error = None
        await commit(service, "r2", a=OLD)
        assert service.loader.unhealthy is None


async def test_pushes_to_a_project_that_never_loaded_reach_it_and_all_that_was_bound_before_does(
    tmp_path: Path,
) -> None:
    bound: list[tuple[frozenset[str], bool]] = []

    class Bus(MemoryBus):
        """Tells what is bound."""

        async def bind(self, project: str, keys: frozenset[str], *, keep: bool = False) -> None:
            bound.append((keys, keep))
            await super().bind(project, keys, keep=keep)

    engine = FakeEngine()
    engine.load_error = Permanent("project.conf: no name")
    place = identify(url("own"))
    assert place is not None
    own = OwnBranch(repository=place, url=url("own"), ref="refs/heads/main")
    database = Database(tmp_path / "store.sqlite")
    await database.open()
    try:
        loader = Loader(
            project="p",
            engine=engine,
            bus=Bus(tmp_path / "dead"),
            database=database,
            clock=lambda: 1.0,
            own=own,
        )
        assert not await loader.attempt()
        assert bound == [(frozenset({routing_key(place)}), True)]
    finally:
        await database.close()


async def test_a_coordinator_with_an_empty_store_unbinds_nothing_before_it_has_loaded(tmp_path: Path) -> None:
    bound: list[frozenset[str]] = []

    class Bus(MemoryBus):
        """Tells what is bound. The one before it may have bound much, in another store."""

        async def bind(self, project: str, keys: frozenset[str], *, keep: bool = False) -> None:
            bound.append(keys)
            await super().bind(project, keys, keep=keep)

    engine = FakeEngine()
    engine.load_gate.clear()
    database = Database(tmp_path / "store.sqlite")
    await database.open()
    loader = Loader(
        project="p", engine=engine, bus=Bus(tmp_path / "dead"), database=database, clock=lambda: 1.0
    )
    loading = asyncio.create_task(loader.attempt())
    try:
        for _ in range(20):
            await asyncio.sleep(0.005)
            assert bound == []
        engine.load_gate.set()
        assert await loading
        assert [len(keys) for keys in bound] == [2]
    finally:
        loading.cancel()
        await database.close()
