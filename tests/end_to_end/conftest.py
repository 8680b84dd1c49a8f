"""A service with real upstreams, cache and bus, as a user starts it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from hookfetch.client import Client
from hookfetch.client.errors import Unavailable
from hookfetch.client.stories import Story
from hookfetch.client.values import RefUpdate
from hookfetch.config import ROLES
from hookfetch.demo.deliveries import github_push
from hookfetch.demo.lab import HOOK, Lab
from hookfetch.demo.processes import Serve
from tests.support.commands import QuickServe

WITHIN = 60.0


@dataclass
class Service:
    """A lab, the service over it, and a client."""

    lab: Lab
    serve: Serve
    client: Client

    async def push(self, name: str, content: str) -> tuple[str, str]:
        """Commit to a repository and return the commits before and after."""
        repository = self.lab.repositories[name]
        before = repository.commit_of("refs/heads/main")
        assert before is not None
        return before, await asyncio.to_thread(repository.commit, {"README": content}, content)

    async def post(self, name: str, before: str, after: str) -> str:
        """Post the forge's delivery of a push and return its id."""
        url = self.lab.repositories[name].url(self.lab.upstreams.url)
        headers, body = github_push(url, "refs/heads/main", before, after, self.lab.secret, str(uuid.uuid4()))
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://{self.lab.ingress}/hooks/{HOOK}", data=body, headers=headers) as response,
        ):
            assert response.status == 202, await response.text()
            return str((await response.json())["delivery"])

    async def ended(self, delivery: str) -> Story:
        """Return a delivery's story, once it has an end."""
        async with asyncio.timeout(WITHIN):
            while True:
                story = await self.client.operations.story(delivery)
                if story.outcome not in ("open", "waiting"):
                    return story
                await asyncio.sleep(0.05)

    async def updates(self, count: int) -> list[RefUpdate]:
        """Return the first updates of the project's log, waiting for as many as are wanted."""
        found: list[RefUpdate] = []
        async with asyncio.timeout(WITHIN), self._watch() as watch:
            while len(found) < count:
                found.append(await anext(watch))
        return found

    @asynccontextmanager
    async def _watch(self) -> AsyncIterator[AsyncIterator[RefUpdate]]:
        watch = self.client.watch(projects=[self.lab.project], start="oldest", patience=WITHIN)
        try:
            yield watch
        finally:
            await watch.aclose()

    async def ready(self, *repositories: str) -> None:
        """Wait until a delivery could be stored, clients are answered, and the sweep has looked at each
        repository once: what is pushed from now on is left to deliveries."""
        for name in repositories or ("alpha", "beta", "gamma"):
            await self.serve.line(
                f"the first look at {name}",
                lambda line, end=f"/{name}": (
                    line["event"] == "first look" and str(line["repository"]).endswith(end)
                ),
                WITHIN,
            )
        await self.door()
        await self.gateway()

    async def gateway(self) -> None:
        """Wait until clients are answered."""
        async with asyncio.timeout(WITHIN):
            while True:
                try:
                    await self.client.list(projects=[self.lab.project])
                    return
                except Unavailable:
                    await asyncio.sleep(0.02)

    async def door(self) -> None:
        """Wait until a delivery could be stored."""
        async with aiohttp.ClientSession() as session, asyncio.timeout(WITHIN):
            while True:
                try:
                    async with session.get(f"http://{self.lab.ingress}/ready") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.02)


Start = Callable[..., Awaitable[Service]]


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.broker)])
def amqp(request: pytest.FixtureRequest) -> str | None:
    """The bus of the service: in one process, or a broker with each role a process of its own."""
    return None if request.param == "memory" else request.getfixturevalue("amqp_url")


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a lab and the service over it; `settings` are more lines of the configuration, `before`
    changes the lab before the service starts."""
    async with AsyncExitStack() as stack:

        async def make(
            amqp: str | None = None, settings: str = "", before: Callable[[Lab], None] = lambda lab: None
        ) -> Service:
            lab = Lab(tmp_path, project=f"p{uuid.uuid4().hex[:8]}")
            stack.push_async_callback(asyncio.to_thread, lab.stop)
            await asyncio.to_thread(lab.start, amqp)
            sweep = "" if "[sweep]" in settings else "[sweep]\ninterval_least = 1e7\ninterval_most = 1e7\n"
            # Each further process would be a start of BuildStream; the demo and `tests/faults` have several.
            engine = "" if "[engine]" in settings else "[engine]\nprocesses = 1\n"
            lab.config.write_text(lab.config.read_text() + sweep + engine + settings)
            before(lab)
            serve = QuickServe(lab.config, tmp_path, ROLES if amqp is not None else ())
            stack.push_async_callback(serve.stop)
            await serve.start()
            client = await stack.enter_async_context(Client(lab.grpc))
            return Service(lab, serve, client)

        yield make
