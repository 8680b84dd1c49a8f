"""What asks the upstreams without being told to."""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import aiohttp

from hookfetch.config import SweepConfig, UpstreamConfig
from hookfetch.coordinator.loader import Loader
from hookfetch.store.database import Database
from hookfetch.store.files import SeenFiles
from hookfetch.store.observed import ObservedRefs
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.asking import Asking
from hookfetch.upstreams.feed_sweep import FeedSweep
from hookfetch.upstreams.file_sweep import LEAST, MOST, FileSweep
from hookfetch.upstreams.hosts import Hosts
from hookfetch.upstreams.shared_looks import SharedLooks
from hookfetch.upstreams.sweep import Sweep
from hookfetch.upstreams.sweeps import Accept, Sweeps

OpenFeeds = Callable[[Accept], AbstractAsyncContextManager[FeedSweep]]


@asynccontextmanager
async def open_sweeps(
    config: SweepConfig,
    upstreams: Iterable[UpstreamConfig],
    loader: Loader,
    database: Database,
    looks: SharedLooks,
    open_feeds: OpenFeeds | None,
    accept: Accept,
) -> AsyncIterator[Sweeps]:
    """Give the sweeps of a project's repositories, files and feeds, closed at the end."""
    own = None if loader.own is None else loader.own.url
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        asking = Asking(session, Accounts(upstreams), config.timeout, own)
        repositories = Sweep(
            index=lambda: loader.index,
            known=ObservedRefs(database, time.time),
            accept=accept,
            looks=looks,
            ask=asking.refs,
            least=config.interval_least,
            most=config.interval_most,
            clock=time.time,
        )
        files = FileSweep(
            index=lambda: loader.index,
            known=SeenFiles(database, time.time),
            accept=accept,
            hosts=looks.hosts,
            ask=asking.file,
            least=LEAST * config.interval_least,
            most=max(MOST, LEAST * config.interval_least),
            clock=time.time,
        )
        async with AsyncExitStack() as feeds:
            asked = None if open_feeds is None else await feeds.enter_async_context(open_feeds(accept))
            sweeps = Sweeps(repositories, files, asked)
            try:
                yield sweeps
            finally:
                await sweeps.close()


def looks_of(config: SweepConfig) -> SharedLooks:
    """Return what all questions of this process go through, whichever project asks."""
    at_once, per_host = config.concurrency, config.per_host
    return SharedLooks(Hosts(at_once=at_once, per_host=per_host, rate=config.rate, clock=time.monotonic))
