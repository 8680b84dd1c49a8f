"""What asks where releases are told of."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from hookfetch.config import Config, FeedsConfig
from hookfetch.coordinator.loader import Loader
from hookfetch.core.events import ReleaseFound
from hookfetch.core.watching import Watch
from hookfetch.store.database import Database
from hookfetch.store.feeds import SeenFeeds
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.feed_get import FeedClient
from hookfetch.upstreams.feed_session import open_session
from hookfetch.upstreams.feed_status import FeedBoard
from hookfetch.upstreams.feed_sweep import FeedSweep
from hookfetch.upstreams.hosts import Hosts
from hookfetch.upstreams.shared_feeds import SharedFeeds


def shared_feeds_of(config: Config, hosts: Hosts) -> SharedFeeds | None:
    """Return what all feeds of this process are asked through, whichever project asks; None where none is."""
    if not config.feeds.ask:
        return None
    accounts = Accounts(config.upstream)

    def connect(is_named: Callable[[str], bool]) -> FeedClient:
        session = open_session(is_named)
        return FeedClient(session, accounts, agent=config.feeds.agent(), timeout=config.feeds.timeout)

    return SharedFeeds(hosts, connect)


@asynccontextmanager
async def open_feeds(
    config: FeedsConfig,
    shared: SharedFeeds,
    board: FeedBoard,
    loader: Loader,
    database: Database,
    accept: Callable[[Sequence[ReleaseFound]], Awaitable[None]],
) -> AsyncIterator[FeedSweep]:
    """Give the sweep of a project's feeds, told of by `board` and closed at the end."""

    def watches() -> Sequence[Watch]:
        index = loader.index
        return () if index is None else board.watches(index.elements(), loader.policy)

    sweep = FeedSweep(
        watches=watches,
        known=SeenFeeds(database),
        accept=accept,
        shared=shared,
        least=config.interval_least,
        most=config.interval_most,
        clock=time.time,
    )
    async with shared.joined():
        board.asked = sweep
        try:
            yield sweep
        finally:
            board.asked = None
            await sweep.close()
