"""A paused project asks no upstream; resumed, it asks all at once, and other projects never noticed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.core.codec import dump_event
from hookfetch.core.operator_requests import PauseRequested, ResumeRequested
from hookfetch.core.ports import Bus, Message
from hookfetch.core.sources import Element, LoadedProject, Source
from hookfetch.demo.upstreams import Repository, create_repository
from hookfetch.store.observed import ObservedRefs
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.asking import Asking
from hookfetch.upstreams.hosts import Hosts
from hookfetch.upstreams.shared_looks import SharedLooks
from hookfetch.upstreams.sweep import Accept, Sweep
from tests.coordinator.service import FakeEngine, Service, until
from tests.upstreams.serving import Log, git_server

OFTEN, NEVER = 0.05, 3600.0  # seconds between two looks
WITHIN = 30.0


class OneElement(FakeEngine):
    """Of a project with the element `a.bst`, which follows a served repository."""

    def __init__(self, url: str, ref: str) -> None:
        super().__init__(a=ref)
        self._source = Source(index=0, kind="git_repo", urls=(url,), track={"track": "main"}, ref=ref)

    async def load(self, project: str, revision: str | None = None) -> LoadedProject:
        element = Element(name="a.bst", kind="import", sources=(self._source,))
        return LoadedProject(name=project, elements=(element,))


class Swept:
    """A project whose only upstream is asked every `interval` seconds, by the real sweep over HTTP."""

    def __init__(self, root: Path, served: str, log: Log, interval: float, name: str) -> None:
        self.repository: Repository = create_repository(root / "served", name)
        self._first = self.repository.commit({"a": "1"}, "one")
        self.engine = OneElement(f"{served}/{name}.git", self._first)
        self._root = root / name
        self._name = name
        self._log = log
        self._interval = interval
        self.service: Service | None = None

    @asynccontextmanager
    async def running(self, bus: Bus) -> AsyncIterator[Service]:
        @asynccontextmanager
        async def open_sweep(accept: Accept) -> AsyncIterator[Sweep]:
            clock = asyncio.get_running_loop().time  # the coordinator's, too
            known = ObservedRefs(service.database, clock)
            async with aiohttp.ClientSession() as session:
                index = service.loader
                sweep = Sweep(
                    index=lambda: index.index,
                    known=known,
                    accept=accept,
                    looks=SharedLooks(Hosts(at_once=8, per_host=8, rate=1000.0, clock=time.monotonic)),
                    ask=Asking(session, Accounts(()), 10.0).refs,
                    least=self._interval,
                    most=self._interval,
                    clock=clock,
                )
                try:
                    yield sweep
                finally:
                    await sweep.close()

        self._root.mkdir(exist_ok=True)
        service = Service(self._root, self.engine, bus=bus, project=self._name, open_sweep=open_sweep)
        async with service:
            self.service = service
            yield service

    @property
    def looks(self) -> int:
        """How often the upstream was asked for its refs."""
        return sum(f"/{self._name}.git/git-upload-pack" in request for request in self._log.requests)

    async def push(self) -> None:
        """Have the upstream move, without a word to anybody."""
        self.engine.upstream["a.bst"] = await asyncio.to_thread(self.repository.commit, {"a": "2"}, "two")

    async def pause(self) -> None:
        assert self.service is not None
        event = PauseRequested(id="pause", reason="a freeze", by="me", reply_to=self.service.inbox.address)
        await self._command(event)

    async def resume(self, name: str = "resume") -> None:
        assert self.service is not None
        await self._command(ResumeRequested(id=name, by="me", reply_to=self.service.inbox.address))

    async def _command(self, event: PauseRequested | ResumeRequested) -> None:
        assert self.service is not None
        message = Message(id=event.id, body=dump_event(event))
        await self.service.bus.publish_event(self._name, message)
        replies = self.service.replies
        await until(lambda: event.id in replies, WITHIN)

    async def asks_nothing(self) -> None:
        """Return once looks under way are over; fail if another follows within twenty turns."""
        before = -1
        async with asyncio.timeout(WITHIN):
            while before != self.looks:
                before = self.looks
                await asyncio.sleep(4 * OFTEN)
        await asyncio.sleep(20 * OFTEN)
        assert self.looks == before


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def served(tmp_path: Path, log: Log) -> AsyncIterator[str]:
    (tmp_path / "served").mkdir()
    async with git_server(tmp_path / "served", log) as url:
        yield url


async def test_only_the_paused_project_rests_and_goes_on_when_it_is_resumed(
    tmp_path: Path, served: str, log: Log
) -> None:
    mine = Swept(tmp_path, served, log, OFTEN, "p")
    other = Swept(tmp_path, served, log, OFTEN, "q")
    # Each has a bus, since each has workers over an engine of its own.
    buses = [MemoryBus(tmp_path / name) for name in ("dead", "dead of q")]
    async with other.running(buses[1]), mine.running(buses[0]) as service:
        await until(lambda: mine.looks > 2 and other.looks > 2, WITHIN)
        await mine.pause()
        await mine.asks_nothing()
        await mine.push()
        seen = other.looks
        await until(lambda: other.looks > seen, WITHIN)
        assert service.entries == []
        await mine.resume()
        await until(lambda: len(service.entries) == 1, WITHIN)


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_moved_during_a_pause_is_found_at_once_and_not_at_the_next_turn(
    tmp_path: Path, served: str, log: Log, restarted: bool
) -> None:
    project = Swept(tmp_path, served, log, NEVER, "p")
    async with project.running(MemoryBus(tmp_path / "dead")) as service:
        await until(lambda: project.looks == 1, WITHIN)
        async with asyncio.timeout(WITHIN):
            while not await service.rows("SELECT 1 FROM observed_repositories"):
                await asyncio.sleep(0.01)
        await project.pause()
        await project.push()
        if not restarted:
            await project.resume()
            await until(lambda: len(service.entries) == 1, WITHIN)
            return
    async with project.running(MemoryBus(tmp_path / "dead")) as service:
        assert project.looks == 1
        await project.resume("after a restart")
        await until(lambda: len(service.entries) == 1, WITHIN)
