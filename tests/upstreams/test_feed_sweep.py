"""A release on a feed is told to the elements that are behind, once, and asking for it is welcome."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from hookfetch.store.database import Database
from hookfetch.upstreams.hosts import Hosts
from tests.upstreams.feed_lab import AGENT, NEVER, Feeds, Server, asked_again, feed_server, feeds_at, tags
from tests.upstreams.serving import until


@pytest.fixture
async def feeds(tmp_path: Path) -> AsyncIterator[Feeds]:
    async with feeds_at(tmp_path) as found:
        yield found


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with feed_server() as running:
        yield running


async def test_a_release_is_told_once_to_each_element_that_is_behind(feeds: Feeds, server: Server) -> None:
    server.paths["/r/tags.atom"] = tags("1.0", "0.9")
    for element, current in (("a.bst", "1.0"), ("b.bst", "0.9"), ("c.bst", "1.0")):
        feeds.watch(f"{server.url}/r/tags.atom", current, element)
    async with feeds.sweeping():
        await until(lambda: feeds.facts)
        assert [(fact.element, fact.version) for fact in feeds.facts] == [("b.bst", "1.0")]
        server.paths["/r/tags.atom"] = tags("1.1", "1.0", "0.9")
        await until(lambda: len(feeds.facts) >= 4)
        await asked_again(server)
    told = {(fact.element, fact.current, fact.version) for fact in feeds.facts[1:]}
    assert told == {("a.bst", "1.0", "1.1"), ("b.bst", "0.9", "1.1"), ("c.bst", "1.0", "1.1")}
    assert len(feeds.facts) == 4
    fact = feeds.facts[-1]
    assert fact.tag == "v1.1"
    assert fact.page == "https://example.org/o/r/releases/tag/v1.1"
    assert fact.feed == f"{server.url}/r/tags.atom"
    assert not fact.prerelease


async def test_a_question_is_conditional_and_says_who_asks(feeds: Feeds, server: Server) -> None:
    server.paths["/r/tags.atom"] = tags("1.0")
    feeds.watch(f"{server.url}/r/tags.atom")
    async with feeds.sweeping():
        await until(lambda: len(server.asked) >= 3)
    assert "If-None-Match" not in server.asked[0].headers
    assert {"If-None-Match" in request.headers for request in server.asked[1:]} == {True}
    assert {request.headers["User-Agent"] for request in server.asked} == {AGENT}


async def test_two_projects_ask_once(tmp_path: Path, feeds: Feeds, server: Server) -> None:
    server.paths["/r/tags.atom"] = tags("1.1")
    server.held = 0.2
    database = Database(tmp_path / "other" / "store.sqlite")
    await database.open()
    other = Feeds(database)
    shared = feeds.shared()
    feeds.watch(f"{server.url}/r/tags.atom")
    other.watch(f"{server.url}/r/tags.atom")
    async with feeds.sweeping(NEVER, shared), other.sweeping(NEVER, shared):
        await until(lambda: feeds.facts and other.facts)
    await database.close()
    assert len(server.asked) == 1


async def test_after_a_restart_nobody_is_asked_and_what_was_not_told_is_told(
    feeds: Feeds, server: Server
) -> None:
    server.paths["/r/tags.atom"] = tags("1.1", "1.0")
    watch = feeds.watch(f"{server.url}/r/tags.atom")
    async with feeds.sweeping(NEVER):
        await until(lambda: feeds.facts)
    (first,) = feeds.facts
    async with feeds.sweeping(NEVER):
        await until(lambda: len(feeds.facts) == 2)
    assert feeds.facts[1].id != first.id  # who took the first may have known no project yet
    assert len(server.asked) == 1
    assert (await feeds.known_of(watch)) is not None


async def test_an_element_that_moved_is_judged_by_what_the_feed_said_last(
    feeds: Feeds, server: Server
) -> None:
    server.paths["/r/tags.atom"] = tags("1.1", "1.0")
    feeds.watch(f"{server.url}/r/tags.atom", "1.1")
    async with feeds.sweeping(NEVER) as sweep:
        await until(lambda: sweep.status() and next(iter(sweep.status().values())).last_asked)
        assert feeds.facts == []
        feeds.watches.clear()
        feeds.watch(f"{server.url}/r/tags.atom", "1.0")
        sweep.refresh()
        await until(lambda: feeds.facts)
    assert len(server.asked) == 1


async def test_a_release_waits_for_its_age_by_when_it_was_first_seen(feeds: Feeds, server: Server) -> None:
    # The server's clock is ahead of ours by centuries, which is no reason to wait for them or to hurry.
    server.paths["/r/tags.atom"] = tags("1.1", published="2999-01-01T00:00:00Z")
    feeds.watch(f"{server.url}/r/tags.atom", minimum_age=timedelta(days=3))
    async with feeds.sweeping() as sweep:
        await asked_again(server)
        assert feeds.facts == []
        feeds.ahead = timedelta(days=3, seconds=10).total_seconds()
        sweep.ask_now(lambda element: True)
        await until(lambda: feeds.facts)


async def test_a_feed_that_moved_for_good_is_followed_and_reported(feeds: Feeds, server: Server) -> None:
    async def moved(request: web.Request) -> web.Response:
        return web.Response(status=301, headers={"Location": "/new.atom"})

    server.paths["/old.atom"] = moved
    server.paths["/new.atom"] = tags("1.1")
    watch = feeds.watch(f"{server.url}/old.atom")
    with capture_logs() as said:
        async with feeds.sweeping():
            await until(lambda: len(server.asked) >= 4)
    assert [request.path for request in server.asked[:4]] == ["/old.atom", *["/new.atom"] * 3]
    known = await feeds.known_of(watch)
    assert known is not None
    assert known.moved_to == f"{server.url}/new.atom"
    assert [line["to"] for line in said if line["event"] == "feed_moved"] == [known.moved_to]
    assert len(feeds.facts) == 1


async def test_a_feed_that_moved_for_now_is_asked_where_it_was(feeds: Feeds, server: Server) -> None:
    async def moved(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/new.atom"})

    server.paths["/old.atom"] = moved
    server.paths["/new.atom"] = tags("1.1")
    feeds.watch(f"{server.url}/old.atom")
    async with feeds.sweeping():
        await until(lambda: len(server.asked) >= 4)
    assert [request.path for request in server.asked[:4]] == ["/old.atom", "/new.atom"] * 2


async def test_a_host_that_wants_rest_is_left_alone(feeds: Feeds, server: Server) -> None:
    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "3600"})

    server.paths |= {"/a.atom": busy, "/b.atom": tags("1.1")}
    watch = feeds.watch(f"{server.url}/a.atom")
    async with feeds.sweeping() as sweep:
        assert "429" in await feeds.failed(watch)
        feeds.watch(f"{server.url}/b.atom", element="b.bst")
        sweep.refresh()
        await asyncio.sleep(5 * 0.1)
    assert len(server.asked) == 1


async def test_a_rate_limit_that_is_used_up_is_not_tried(feeds: Feeds, server: Server) -> None:
    async def last(request: web.Request) -> web.Response:
        reset = str(int(time.time() + 1800))
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
        return web.Response(text=tags("1.1"), headers=headers)

    server.paths["/a.atom"] = last
    feeds.watch(f"{server.url}/a.atom")
    async with feeds.sweeping():
        await until(lambda: feeds.facts)
        await asyncio.sleep(5 * 0.1)
    assert len(server.asked) == 1


async def test_a_host_is_never_asked_by_more_than_it_bears(tmp_path: Path, server: Server) -> None:
    server.held = 0.05
    async with feeds_at(tmp_path) as feeds:
        feeds.hosts = Hosts(at_once=8, per_host=3, rate=1000.0, clock=time.monotonic)
        for number in range(30):
            server.paths[f"/{number}.atom"] = tags("1.0")
            feeds.watch(f"{server.url}/{number}.atom", element=f"{number}.bst")
        async with feeds.sweeping(NEVER):
            await until(lambda: len(server.asked) >= 30)
    assert server.most == 3


async def test_a_feed_that_fails_is_asked_ever_more_seldom(feeds: Feeds, server: Server) -> None:
    watch = feeds.watch(f"{server.url}/gone.atom")
    async with feeds.sweeping(0.05):
        await until(lambda: len(server.asked) >= 4)
        known = await feeds.known_of(watch)
    assert known is not None
    assert known.error == f"{server.url}/gone.atom: 404: no such feed, or no access to it"
    assert known.failing_since is not None
    assert time.time() - known.failing_since >= 0.05 + 0.1 + 0.2 - 0.05


async def test_what_nobody_watches_is_forgotten(feeds: Feeds, server: Server) -> None:
    server.paths["/r.atom"] = tags("1.1")
    watch = feeds.watch(f"{server.url}/r.atom")
    async with feeds.sweeping(NEVER) as sweep:
        await until(lambda: feeds.facts)
        feeds.watches.clear()
        sweep.refresh()
        async with asyncio.timeout(10.0):
            while await feeds.known_of(watch) is not None:
                await asyncio.sleep(0.01)
        assert not sweep.status()


async def test_the_environment_says_which_proxy_is_asked(
    feeds: Feeds, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.paths["/r.atom"] = tags("1.1")
    monkeypatch.setenv("http_proxy", server.url.replace("http://", "http://me:secret@"))
    monkeypatch.setenv("no_proxy", "")
    feeds.watch("http://elsewhere.invalid/r.atom")
    async with feeds.sweeping(NEVER):
        await until(lambda: feeds.facts)
    assert server.asked[0].host == "elsewhere.invalid"
    assert server.asked[0].headers["Proxy-Authorization"] == "Basic bWU6c2VjcmV0"
