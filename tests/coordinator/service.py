"""A coordinator with the real store, the real in-process bus and worker, and an engine of ten lines."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.coordinator.answers import Answers
from hookfetch.coordinator.coordinator import Coordinator
from hookfetch.coordinator.loader import Loader
from hookfetch.core.asset_requests import SourcesRequested
from hookfetch.core.codec import dump_event, load_record, load_reply
from hookfetch.core.entries import EpochBegan, PauseChanged, RefLanded, RefSuperseded, RefUpdated
from hookfetch.core.errors import Unwanted
from hookfetch.core.events import BranchPushed, FetchRequested, SourceRef, TrackRequested
from hookfetch.core.jobs import Job, Reply
from hookfetch.core.operator_requests import CancelRequested
from hookfetch.core.own import OwnBranch
from hookfetch.core.policy import Policy
from hookfetch.core.ports import Bus, Finished, MayBegin, Message, OnTracked, at_once
from hookfetch.core.repository import identify, routing_key
from hookfetch.core.sources import Element, LoadedProject, Source
from hookfetch.core.state import RetryPolicy
from hookfetch.store.database import Database
from hookfetch.upstreams.sweep import Accept
from hookfetch.worker import Worker

OLD, NEW = "1" * 40, "2" * 40


def url(name: str) -> str:
    return f"https://example.org/{name}.git"


def element(name: str, ref: str | None = OLD) -> Element:
    source = Source(index=0, kind="git_repo", urls=(url(name),), track={"track": "main"}, ref=ref)
    return Element(name=f"{name}.bst", kind="import", sources=(source,))


class FakeEngine:
    """An engine whose upstreams are a dict: element -> newest ref, or the error it raises."""

    def __init__(self, **upstream: str | Exception) -> None:
        self.upstream = {f"{name}.bst": ref for name, ref in upstream.items()}
        self.elements = (element("a"), element("b"))
        self.revision: str | None = None
        self.loads = 0
        self.load_error: Exception | None = None
        self.load_gate = asyncio.Event()
        self.load_gate.set()
        self.ran: list[Job] = []
        self.cut_off = 0  # runs that were cancelled
        self.seconds = 0.0  # that a job takes after it looked at the upstream
        self.free = asyncio.Event()  # before a job begins
        self.free.set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def newest(self, project: str) -> str | None:
        return self.revision

    async def load(self, project: str, revision: str | None = None) -> LoadedProject:
        await self.load_gate.wait()
        if self.load_error is not None:
            raise self.load_error
        self.loads += 1
        return LoadedProject(name=project, elements=self.elements, revision=revision)

    async def run(self, job: Job, on_tracked: OnTracked, may_begin: MayBegin = at_once) -> Finished:
        await self.free.wait()
        if not await may_begin():
            raise Unwanted(job.element)
        self.ran.append(job)
        ref = self.upstream.get(job.element, OLD)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cut_off += 1
            raise
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

    def ask_all_now(self) -> None: ...


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
        slots: int = 4,
        open_sweep: Callable[[Accept], AbstractAsyncContextManager[Any]] = open_no_sweep,
        own: OwnBranch | None = None,
    ) -> None:
        self.engine = engine
        self.project = project
        self.bus = bus or MemoryBus(root / "dead")
        self.database = Database(root / "store.sqlite")
        clock = asyncio.get_running_loop().time
        self.loader = Loader(
            project=project,
            engine=engine,
            bus=self.bus,
            database=self.database,
            clock=clock,
            policy=policy,
            own=own,
            fetches_ahead=own is not None,
        )
        self.coordinator = Coordinator(
            project=project,
            database=self.database,
            bus=self.bus,
            loader=self.loader,
            open_sweep=open_sweep,
            retry=RetryPolicy(first=0.01, most=0.02, attempts=3, quarantine=3600.0),
            lease=60.0,
            clock=asyncio.get_running_loop().time,
        )
        self.worker = Worker(self.bus, engine, slots)
        self.entries: list[RefUpdated] = []
        self.settled: list[RefLanded | RefSuperseded] = []
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
        if not isinstance(record, EpochBegan | PauseChanged):
            if record.project != self.project:
                return  # of another test on the same broker
            if isinstance(record, RefLanded | RefSuperseded):
                self.settled.append(replace(record, epoch=0))
                return
            assert isinstance(record, RefUpdated)
            self.entries.append(replace(record, epoch=0))

    async def _on_reply(self, message: Message) -> None:
        told = load_reply(message.body)
        if isinstance(told, Reply):
            self.replies[message.id] = told

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

    async def ask(self, event: TrackRequested | FetchRequested | SourcesRequested | CancelRequested) -> Reply:
        await self.bus.publish_event(self.project, Message(id=event.id, body=dump_event(event)))
        await until(lambda: event.id in self.replies)
        return self.replies[event.id]

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Have questions answered, too."""
        answers = Answers(
            project=self.project,
            database=self.database,
            bus=self.bus,
            loader=self.loader,
            epoch=lambda: self.coordinator.epoch,
            clock=asyncio.get_running_loop().time,
        )
        await answers.start()
        try:
            yield
        finally:
            await answers.stop()

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
