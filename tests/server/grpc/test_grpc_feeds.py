"""What is asked for an element's archives is listed, and asked on demand, over gRPC and by the command."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from hookfetch.bootstrap.feeding import open_feeds
from hookfetch.client import Client
from hookfetch.client.errors import InvalidRequest, NotFound, WorkFailed
from hookfetch.config import FeedsConfig
from hookfetch.coordinator.answers import Answers
from hookfetch.core.sources import Element, Source
from hookfetch.server.grpc.server import GrpcServer
from hookfetch.upstreams.feed_status import FeedBoard
from hookfetch.upstreams.sweeps import Accept, Sweeping
from tests.coordinator.service import FakeEngine, Service
from tests.support.commands import run
from tests.upstreams.feed_lab import Feeds, Server, feed_server

QUIET = FeedsConfig(interval_least=3600.0, interval_most=3600.0)


class Lab:
    """A coordinator that asks feeds, its gateway, and a client."""

    def __init__(
        self, service: Service, client: Client, feeds: Server, board: FeedBoard, target: str
    ) -> None:
        self.service = service
        self.board = board
        self.client = client
        self.feeds = feeds
        self.target = target

    async def until_asked(self) -> None:
        async with asyncio.timeout(20.0):
            while not all(feed.last_asked for feed in (await self.client.feeds.list()).feeds if feed.url):
                await asyncio.sleep(0.05)

    async def told(self) -> list[tuple[str, str]]:
        rows = await self.service.rows("SELECT id, type FROM events WHERE type = 'release_found'")
        return [(str(name), str(kind)) for name, kind in rows]


class Alone:
    """The sweep of feeds without the others."""

    def __init__(self, feeds: Sweeping) -> None:
        self.refresh = feeds.refresh

    def ask_all_now(self) -> None: ...


@asynccontextmanager
async def serving(root: Path) -> AsyncIterator[Lab]:
    board = FeedBoard()
    async with feed_server() as feeds:
        engine = FakeEngine()
        engine.elements = (
            element("listed.bst", f"{feeds.url}/pub/foo-1.0.tar.gz"),
            element("forge.bst", f"{feeds.url}/o/r/releases/download/v1.0/r-1.0.tar.gz"),
            element("plain.bst", f"{feeds.url}/pub/model.bin"),
        )
        feeds.paths["/pub/"] = '<a href="foo-1.0.tar.gz">1</a><a href="foo-1.2.tar.gz">2</a>'

        @asynccontextmanager
        async def sweep(accept: Accept) -> AsyncIterator[Alone]:
            shared = Feeds(service.database).shared()
            async with open_feeds(QUIET, shared, board, service.loader, service.database, accept) as asked:
                yield Alone(asked)

        service = Service(root, engine, open_sweep=sweep)
        async with service:
            answers = Answers(
                project="p",
                database=service.database,
                bus=service.bus,
                loader=service.loader,
                epoch=lambda: service.coordinator.epoch,
                clock=time.time,
                feeds=board,
            )
            await answers.start()
            server = GrpcServer(service.bus, ("p",), "127.0.0.1:0")
            await server.start()
            try:
                async with Client(f"127.0.0.1:{server.port}") as client:
                    yield Lab(service, client, feeds, board, f"127.0.0.1:{server.port}")
            finally:
                await server.stop(0)
                await answers.stop()


def element(name: str, url: str) -> Element:
    return Element(name=name, kind="manual", sources=(Source(index=0, kind="tar", urls=(url,)),))


async def test_feeds_are_listed_with_what_they_were_derived_from_and_how_it_goes(tmp_path: Path) -> None:
    async with serving(tmp_path) as lab:
        await lab.until_asked()
        page = await lab.client.feeds.list()
        forge, listed, plain = page.feeds
        assert (forge.kind, forge.sure, forge.found) == ("gitea_rss", "likely", None)
        assert forge.error == f"{forge.url}: 404: no such feed, or no access to it"
        assert forge.failing_since is not None
        assert (listed.kind, listed.sure, listed.origin) == (
            "html_index",
            "guess",
            "the folder that it is in",
        )
        assert (listed.current, listed.found, listed.releases) == ("1.0", "1.2", 2)
        assert (plain.url, plain.why) == (None, "no address of it has a version")
        assert len(await lab.told()) == 1
        first = await lab.client.feeds.list(elements=("**.bst",), projects=("p",))
        assert first == page
        with pytest.raises(NotFound):
            await lab.client.feeds.list(projects=("q",))
        with pytest.raises(InvalidRequest):
            await lab.client.feeds.list(after="x")


async def test_a_check_asks_now_and_the_command_waits_for_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as lab:
        await lab.until_asked()
        asked = len(lab.feeds.asked)
        lab.feeds.paths["/pub/"] = '<a href="foo-1.3.tar.gz">3</a>'
        hookfetch = partial(asyncio.to_thread, run)
        checked, shown = await asyncio.gather(
            hookfetch("feeds", "check", "--server", lab.target, "--json", "--project", "p", "listed.bst"),
            hookfetch("feeds", "list", "--server", lab.target, "plain.bst"),
        )
        assert [json.loads(line)["found"] for line in checked.stdout.splitlines()] == ["1.3"], checked.stderr
        assert [request.path for request in lab.feeds.asked[asked:]] == ["/pub/"]
        assert shown.stdout == "p  plain.bst  -  no feed: no address of it has a version\n"
        assert len(await lab.told()) == 2


async def test_nothing_is_checked_where_nothing_is_asked(tmp_path: Path) -> None:
    async with serving(tmp_path) as lab:
        await lab.until_asked()
        await lab.client.operations.pause(("p",), "rest")
        async with asyncio.timeout(10.0):
            while lab.board.asked is not None:
                await asyncio.sleep(0.01)
        with pytest.raises(WorkFailed, match="asks no feeds"):
            await lab.client.feeds.check("p")
        assert len((await lab.client.feeds.list()).feeds) == 3
