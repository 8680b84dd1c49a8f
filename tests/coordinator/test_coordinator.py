"""A coordinator with the real store, the real in-process bus and worker, and an engine of ten lines."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.coordinator.coordinator import Coordinator
from hookfetch.coordinator.loader import Loader
from hookfetch.core.codec import dump_event, load_record, load_reply
from hookfetch.core.entries import EpochBegan, RefUpdated
from hookfetch.core.errors import ElementError, Permanent, Temporary
from hookfetch.core.events import BranchPushed, FetchRequested, SourceRef, TrackRequested
from hookfetch.core.jobs import Job, Reply
from hookfetch.core.policy import Policy
from hookfetch.core.ports import Bus, Finished, Message, OnTracked
from hookfetch.core.repository import identify, routing_key
from hookfetch.core.sources import Element, LoadedProject, Source
from hookfetch.core.state import RetryPolicy
from hookfetch.store.database import Database
from hookfetch.worker import Worker

OLD, NEW = "1" * 40, "2" * 40


def url(name: str) -> str:
    return f"https://example.org/{name}.git"


def element(name: str) -> Element:
    source = Source(index=0, kind="git_repo", urls=(url(name),), track={"track": "main"}, ref=OLD)
    return Element(name=f"{name}.bst", kind="import", sources=(source,))


class FakeEngine:
    """An engine whose upstreams are a dict: element -> newest ref, or the error it raises."""

    def __init__(self, **upstream: str | Exception) -> None:
        self.upstream = {f"{name}.bst": ref for name, ref in upstream.items()}
        self.load_error: Exception | None = None
        self.load_gate = asyncio.Event()
        self.load_gate.set()
        self.ran: list[Job] = []
        self.seconds = 0.0  # that a job takes after it looked at the upstream
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, project: str) -> LoadedProject:
        await self.load_gate.wait()
        if self.load_error is not None:
            raise self.load_error
        return LoadedProject(name=project, elements=(element("a"), element("b")))

    async def run(self, job: Job, on_tracked: OnTracked) -> Finished:
        self.ran.append(job)
        ref = self.upstream.get(job.element, OLD)
        await self.gate.wait()
        await asyncio.sleep(self.seconds)
        if isinstance(ref, Exception):
            raise ref
        refs = job.refs
        if job.track:
            refs = (SourceRef(index=0, kind="git_repo", url=None, ref=ref),)
            await on_tracked(refs, 1.0)
        return Finished(
            refs=refs, cached=True, element_key="key", source_keys=(), milliseconds={"track": 1.0}
        )

    async def close(self) -> None: ...


class NoSweep:
    """No upstream is asked here: the sweep has tests of its own."""

    def refresh(self) -> None: ...


@asynccontextmanager
async def open_no_sweep(accept: object) -> AsyncIterator[Any]:
    yield NoSweep()


class Service:
    """A coordinator and a worker on one bus, in-process by default, and what came out of them."""

    def __init__(
        self,
        root: Path,
        engine: FakeEngine,
        policy: Policy | None = None,
        *,
        bus: Bus | None = None,
        project: str = "p",
    ) -> None:
        self.engine = engine
        self.project = project
        self.bus = bus or MemoryBus(root / "dead")
        self.database = Database(root / "store.sqlite")
        clock = asyncio.get_running_loop().time
        self.loader = Loader(
            project=project, engine=engine, bus=self.bus, database=self.database, clock=clock
        )
        self.coordinator = Coordinator(
            project=project,
            database=self.database,
            bus=self.bus,
            loader=self.loader,
            open_sweep=open_no_sweep,
            retry=RetryPolicy(first=0.01, most=0.02, attempts=3, quarantine=3600.0),
            policy=policy or Policy(),
            lease=60.0,
            clock=asyncio.get_running_loop().time,
        )
        self.worker = Worker(self.bus, engine, 4)
        self.entries: list[RefUpdated] = []
        self.replies: dict[str, Reply] = {}

    async def __aenter__(self) -> "Service":
        await self.coordinator.start()
        await self.worker.start()
        await self.bus.follow(self.on_entry)
        self.inbox = await self.bus.inbox(self._on_reply)
        await until(lambda: self.loader.unhealthy != "the project is still being loaded")
        return self

    async def __aexit__(self, *error: object) -> None:
        self.engine.gate.set()
        await self.worker.stop()
        await self.coordinator.stop()
        await self.bus.close()

    async def on_entry(self, message: Message) -> None:
        record = load_record(message.body)
        if not isinstance(record, EpochBegan):
            assert isinstance(record, RefUpdated)
            if record.project != self.project:
                return  # of another test on the same broker
            self.entries.append(replace(record, epoch=0))

    async def _on_reply(self, message: Message) -> None:
        self.replies[message.id] = load_reply(message.body)

    async def push(self, name: str, delivery: str, after: str = NEW) -> None:
        repository = identify(url(name))
        assert repository is not None
        event = BranchPushed(
            id=f"{delivery}#0",
            delivery_id=delivery,
            observed_at=0.0,
            repositories=(repository,),
            ref="refs/heads/main",
            after=after,
        )
        await self.bus.publish_fact([routing_key(repository)], Message(id=event.id, body=dump_event(event)))

    async def ask(self, event: TrackRequested | FetchRequested) -> Reply:
        await self.bus.publish_event(self.project, Message(id=event.id, body=dump_event(event)))
        await until(lambda: event.id in self.replies)
        return self.replies[event.id]

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        return await self.database.run(lambda db: db.execute(query).fetchall())


async def until(condition: Callable[[], bool], within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


async def until_rows(read: Callable[[], Awaitable[Any]], wanted: object, within: float = 10.0) -> None:
    seen: object = None
    try:
        async with asyncio.timeout(within):
            while (seen := await read()) != wanted:
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"last seen: {seen}")


async def test_a_push_becomes_one_numbered_ref_update_with_its_delivery(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=NEW)) as service:
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        [entry] = service.entries
        assert (entry.number, entry.element, entry.cached, entry.causes) == (1, "a.bst", True, ("d1",))
        assert (entry.changes[0].base, entry.changes[0].previous, entry.changes[0].ref) == (OLD, OLD, NEW)
        await until_rows(lambda: service.rows("SELECT outcome FROM events WHERE id = 'd1#0'"), [("done",)])
        assert [job.element for job in service.engine.ran] == ["a.bst"]


async def test_a_repeated_event_changes_nothing(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=NEW)) as service:
        for _ in range(3):
            await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        assert len(service.engine.ran) == 1


async def test_there_and_back_and_there_again_are_three_updates(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        for number, ref in enumerate((NEW, OLD, NEW), 1):
            engine.upstream["a.bst"] = ref
            await service.push("a", f"d{number}", ref)
            await until(lambda number=number: len(service.entries) == number)  # type: ignore[misc] # mypy: lambda default
        assert [entry.number for entry in service.entries] == [1, 2, 3]
        assert [entry.changes[0].ref for entry in service.entries] == [NEW, OLD, NEW]


async def test_a_push_back_before_the_push_is_done_ends_where_the_upstream_is(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        engine.gate.clear()
        await service.push("a", "there", NEW)
        await until(lambda: len(engine.ran) == 1)
        engine.upstream["a.bst"] = OLD
        await service.push("a", "back", OLD)
        engine.gate.set()
        await until(lambda: len(service.entries) == 2)
        assert [entry.changes[0].ref for entry in service.entries] == [NEW, OLD]


async def test_pushes_while_a_job_runs_become_one_more_job(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        engine.gate.clear()
        await service.push("a", "first", "3" * 40)
        await until(lambda: len(engine.ran) == 1)
        for number in range(20):
            await service.push("a", f"d{number}", f"{number + 10:040d}")
        engine.gate.set()
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        assert len(engine.ran) == 2
        outcomes = await service.rows(
            "SELECT outcome, count(*) FROM events WHERE type = 'branch_pushed' GROUP BY 1"
        )
        assert dict(outcomes) == {"done": 2, "coalesced": 19}


async def test_an_element_that_fails_is_set_aside_and_holds_up_no_other(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=ElementError("404 Not Found"), b=NEW)) as service:
        await service.push("a", "bad")
        await service.push("b", "good")
        await until(lambda: [entry.element for entry in service.entries] == ["b.bst"])
        await until_rows(
            lambda: service.rows("SELECT failures, reason, set_aside_at IS NOT NULL FROM jobs"),
            [(3, "404 Not Found", 1)],
        )
        assert await service.rows("SELECT outcome FROM events WHERE delivery_id = 'bad'") == [("set aside",)]


async def test_a_client_gets_a_quarantined_element_tracked_at_once(tmp_path: Path) -> None:
    engine = FakeEngine(a=ElementError("404"))
    async with Service(tmp_path, engine) as service:
        await service.push("a", "bad")
        await until_rows(lambda: service.rows("SELECT set_aside_at IS NOT NULL FROM jobs"), [(1,)])
        engine.upstream["a.bst"] = NEW
        request = TrackRequested(id="r", element="a.bst", reply_to=service.inbox.address)
        reply = await service.ask(request)
        assert (reply.outcome, reply.changes[0].ref) == ("tracked", NEW)
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])


async def test_a_worker_that_dies_has_its_job_done_again(tmp_path: Path) -> None:
    engine = FakeEngine(a=Temporary("the worker died"))
    async with Service(tmp_path, engine) as service:
        await service.push("a", "d1")
        await until(lambda: len(engine.ran) == 1)
        engine.upstream["a.bst"] = NEW
        await until(lambda: len(service.entries) == 1)


async def test_a_job_that_always_takes_its_process_down_is_set_aside(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=Temporary("the worker died"))) as service:
        await service.push("a", "d1")
        await until_rows(
            lambda: service.rows("SELECT reason FROM jobs WHERE set_aside_at IS NOT NULL"),
            [("the worker died (3 times in a row)",)],
            within=60.0,
        )


async def test_a_failed_request_is_answered_with_the_reason(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=ElementError("404"))) as service:
        reply = await service.ask(TrackRequested(id="r", element="a.bst", reply_to=service.inbox.address))
        assert (reply.outcome, reply.reason) == ("failed", "404")


async def test_a_fetch_request_fetches_the_announced_ref_without_tracking(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        reply = await service.ask(FetchRequested(id="r", element="a.bst", reply_to=service.inbox.address))
        assert (reply.outcome, reply.cached, reply.element_key) == ("fetched", True, "key")
        assert (engine.ran[-1].track, engine.ran[-1].refs[0].ref) == (False, NEW)
        assert len(service.entries) == 1


async def test_a_project_that_does_not_load_says_why_and_loads_later(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    engine.load_error = Permanent("project.conf: no such plugin")
    async with Service(tmp_path, engine) as service:
        reply = await service.ask(TrackRequested(id="r", element="a.bst", reply_to=service.inbox.address))
        assert reply.reason == "project.conf: no such plugin"
        engine.load_error = None
        await until(lambda: service.loader.index is not None)
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)


async def test_a_restart_keeps_the_log_its_numbers_and_what_was_open(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        before = service.entries[0]
    engine = FakeEngine(a=NEW, b=NEW)
    async with Service(tmp_path, engine) as service:
        await until(lambda: service.entries == [before])
        engine.gate.clear()
        await service.push("b", "d2")
        await until(lambda: len(engine.ran) == 1)
        await service.coordinator.stop()
        assert service.entries == [before]
    async with Service(tmp_path, FakeEngine(a=NEW, b=NEW)) as service:
        await until(lambda: [entry.number for entry in service.entries] == [1, 2])
        assert service.entries[1].causes == ("d2",)
        assert service.entries[1].log_id == before.log_id


async def test_a_fact_published_while_the_project_loads_after_a_restart_is_not_lost(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine()):
        pass
    engine = FakeEngine(a=NEW)
    engine.load_gate.clear()
    service = Service(tmp_path, engine)
    await service.coordinator.start()
    pushing = asyncio.create_task(service.push("a", "early"))
    await service.worker.start()
    await service.bus.follow(service.on_entry)
    engine.load_gate.set()
    await pushing
    await until(lambda: len(service.entries) == 1)
    await service.__aexit__()
