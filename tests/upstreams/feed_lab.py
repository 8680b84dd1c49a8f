"""Feeds that a real server on loopback has, asked by the real poller over a real store."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from hookfetch.core.derivation import Feed
from hookfetch.core.events import ReleaseFound
from hookfetch.core.feeds import FeedKey, KnownFeed
from hookfetch.core.versions import Rules
from hookfetch.core.watching import Watch
from hookfetch.store.database import Database
from hookfetch.store.feeds import SeenFeeds
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.feed_get import FeedClient
from hookfetch.upstreams.feed_session import open_session
from hookfetch.upstreams.feed_sweep import FeedSweep
from hookfetch.upstreams.hosts import Hosts
from hookfetch.upstreams.shared_feeds import SharedFeeds
from tests.upstreams.serving import routes, until

TURN = 0.1  # seconds
NEVER = 3600.0
AGENT = "hookfetch/test (+ops@example.org)"
TIMEOUT = 1.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def tags(*versions: str, published: str = "2024-05-01T00:00:00Z") -> str:
    """Return a feed of tags, the newest first."""
    entries = "".join(
        f"<entry><id>tag:github.com,2008:Repository/1/v{version}</id><title>{version}</title>"
        f'<link href="https://example.org/o/r/releases/tag/v{version}"/>'
        f"<updated>{published}</updated></entry>"
        for version in versions
    )
    return f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>r</title>{entries}</feed>'


class Server:
    """What each path answers: a text, or a handler. `asked` holds the requests in their order, `most` is how
    many there were at once."""

    def __init__(self) -> None:
        self.paths: dict[str, str | Handler] = {}
        self.asked: list[web.Request] = []
        self.most = 0
        self.held = 0.0
        self._open = 0
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self._open += 1
        self.most = max(self.most, self._open)
        try:
            await asyncio.sleep(self.held)
            content = self.paths.get(request.path)
            if content is None:
                return web.Response(status=404)
            if not isinstance(content, str):
                return await content(request)
            etag = f'"{hash(content)}"'
            if request.headers.get("If-None-Match") == etag:
                return web.Response(status=304, headers={"ETag": etag})
            return web.Response(text=content, content_type="application/atom+xml", headers={"ETag": etag})
        finally:
            self._open -= 1


@asynccontextmanager
async def feed_server() -> AsyncIterator[Server]:
    """Give a server of feeds."""
    server = Server()
    async with routes(web.get("/{path:.*}", server.answer)) as url:
        server.url = url
        yield server


class Feeds:
    """Who watches what, and what was told of it."""

    def __init__(self, database: Database, hosts: Hosts | None = None) -> None:
        self.known = SeenFeeds(database)
        self.watches: list[Watch] = []
        self.facts: list[ReleaseFound] = []
        self.hosts = hosts or Hosts(at_once=8, per_host=4, rate=1000.0, clock=time.monotonic)
        self.ahead = 0.0  # seconds that the clock is ahead
        self.timeout = TIMEOUT

    def watch(
        self,
        url: str,
        current: str = "1.0",
        element: str = "a.bst",
        kind: str = "github_atom",
        **rules: object,
    ) -> Watch:
        """Have an element watch a feed."""
        feed = Feed(kind=kind, url=url, sure="certain", origin="test")
        watch = Watch(
            element=element,
            current=current,
            feed=feed,
            rules=replace(Rules(), **rules),  # type: ignore[arg-type]
        )
        self.watches.append(watch)
        return watch

    async def accept(self, facts: Sequence[ReleaseFound]) -> None:
        """Keep the facts."""
        self.facts += facts

    def clock(self) -> float:
        """Return the time."""
        return time.time() + self.ahead

    def shared(self) -> SharedFeeds:
        """Return what asks."""
        return SharedFeeds(
            self.hosts,
            lambda is_named: FeedClient(
                open_session(is_named), Accounts(()), agent=AGENT, timeout=self.timeout
            ),
        )

    @asynccontextmanager
    async def sweeping(
        self, turn: float = TURN, shared: SharedFeeds | None = None
    ) -> AsyncIterator[FeedSweep]:
        """Ask each feed in its turn."""
        shared = shared or self.shared()
        async with shared.joined():
            sweep = FeedSweep(
                watches=lambda: tuple(self.watches),
                known=self.known,
                accept=self.accept,
                shared=shared,
                least=turn,
                most=turn,
                clock=self.clock,
            )
            sweep.refresh()
            try:
                yield sweep
            finally:
                await sweep.close()

    async def known_of(self, watch: Watch) -> KnownFeed | None:
        """Return what is stored of a watch's feed."""
        assert watch.feed is not None
        key: FeedKey = (watch.feed.kind, watch.feed.url)
        return (await self.known.known_feeds()).get(key)

    async def failed(self, watch: Watch) -> str:
        """Return why a feed fails, once it does."""
        async with asyncio.timeout(20.0):
            while True:
                known = await self.known_of(watch)
                if known is not None and known.error is not None:
                    return known.error
                await asyncio.sleep(0.01)


@asynccontextmanager
async def feeds_at(folder: Path) -> AsyncIterator[Feeds]:
    """Give feeds with a store of their own."""
    database = Database(folder / "store.sqlite")
    await database.open()
    try:
        yield Feeds(database)
    finally:
        await database.close()


async def asked_again(server: Server, times: int = 2) -> None:
    """Return once the server was asked so many times more."""
    count = len(server.asked)
    await until(lambda: len(server.asked) >= count + times, 20.0)
