"""Whatever a server sends for a feed costs no more than its bounded time and memory, and moves no element."""

import asyncio
import gzip
import time
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from hookfetch.core.errors import Permanent
from hookfetch.upstreams.feed_body import Bodies
from hookfetch.upstreams.feed_session import NamedHosts, PrivateAddress
from tests.upstreams.feed_lab import NEVER, Feeds, Handler, Server, asked_again, feed_server, feeds_at, tags
from tests.upstreams.serving import until

BOMB = b"""<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa">%s]>
<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>&j;</title><id>x</id></entry></feed>""" % b"".join(
    b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in b"bcdefghij"
)
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>&a;</title><id>v9.0</id></entry></feed>"""
SORRY = b"<!doctype html><html><title>Sorry</title><a href='foo-9.9.tar.gz.sorry'>We are down</a></html>"


@pytest.fixture
async def feeds(tmp_path: Path) -> AsyncIterator[Feeds]:
    async with feeds_at(tmp_path) as found:
        yield found


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with feed_server() as running:
        yield running


def body(data: bytes, content_type: str = "application/atom+xml", **headers: str) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=data, headers={"Content-Type": content_type, **named})

    return answer


def redirect(to: str) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": to})

    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/atom+xml"})
    await response.prepare(request)
    try:
        while True:
            await response.write(b"<entry>" * 100_000)
    except ConnectionError:
        return response


async def dripping(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/atom+xml"})
    await response.prepare(request)
    try:
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)
    except ConnectionError:
        return response


HOSTILE = [
    pytest.param(redirect("/r.atom"), "redirected more than 5 times", id="redirect loop"),
    pytest.param(redirect("file:///etc/passwd"), "redirected to file scheme", id="file"),
    pytest.param(redirect("ftp://127.0.0.1/r.atom"), "redirected to ftp scheme", id="ftp"),
    pytest.param(
        redirect("http://10.0.0.1/r.atom"), "redirected to another host without https", id="other host"
    ),
    pytest.param(
        body(gzip.compress(b"\0" * 50_000_000, 1), Content_Encoding="gzip"),
        "the document has more than 16777216 bytes",
        id="gzip bomb",
    ),
    pytest.param(
        body(gzip.compress(tags("9.0").encode())[:-20], Content_Encoding="gzip"),
        "the body ends before its gzip does",
        id="half a gzip",
    ),
    pytest.param(body(b"no gzip", Content_Encoding="gzip"), "the body is no gzip", id="no gzip"),
    pytest.param(body(b"x", Content_Encoding="br"), "which nobody asked for", id="another coding"),
    pytest.param(endless, "the document has more than 16777216 bytes", id="endless body"),
    pytest.param(dripping, "no complete answer within 1 s", id="dripping body"),
    pytest.param(body(BOMB), "declares entities", id="XML bomb"),
    pytest.param(body(OUTSIDE), "declares entities", id="external entity"),
    pytest.param(body(SORRY, "text/html"), "", id="error page with 200"),
    pytest.param(body(b""), "", id="nothing"),
    pytest.param(body(tags().encode()), "no release with a version is in it", id="empty list"),
    pytest.param(body(b"\xff\xfe\0\xd8" * 1000, "text/xml; charset=utf-16"), "", id="wrong charset"),
]


@pytest.mark.parametrize(("answer", "reason"), HOSTILE)
async def test_a_hostile_answer_moves_nothing_and_is_said(
    feeds: Feeds, server: Server, answer: Handler, reason: str
) -> None:
    server.paths["/r.atom"] = tags("1.0", "0.9")
    watch = feeds.watch(f"{server.url}/r.atom", "1.0")
    async with feeds.sweeping():
        await asked_again(server, 1)
        server.paths["/r.atom"] = answer
        begun = time.monotonic()
        assert reason in await feeds.failed(watch)
        assert time.monotonic() - begun < 15.0
        # It is well again, as if nothing had been.
        server.paths["/r.atom"] = tags("1.1", "1.0", "0.9")
        await until(lambda: feeds.facts, 20.0)
    assert [fact.version for fact in feeds.facts] == ["1.1"]
    known = await feeds.known_of(watch)
    assert known is not None
    assert known.error is None
    assert known.releases == 3


async def test_a_list_that_shrinks_takes_nothing_back(feeds: Feeds, server: Server) -> None:
    server.paths["/r.atom"] = tags("1.2", "1.1", "1.0")
    feeds.watch(f"{server.url}/r.atom", "1.1")
    async with feeds.sweeping():
        await until(lambda: feeds.facts)
        server.paths["/r.atom"] = tags("1.0")
        await asked_again(server)
        server.paths["/r.atom"] = tags("1.2", "1.1", "1.0")
        await asked_again(server)
    assert [fact.version for fact in feeds.facts] == ["1.2"]
    _, first_seen = await feeds.known.kept(("github_atom", f"{server.url}/r.atom"))
    assert sorted(first_seen) == ["1.0", "1.1", "1.2"]


async def test_an_index_that_becomes_an_error_page_takes_nothing_back(feeds: Feeds, server: Server) -> None:
    server.paths["/pub/"] = '<a href="foo-1.1.tar.gz">foo-1.1.tar.gz</a>'
    watch = feeds.watch(f"{server.url}/pub/", "1.0", kind="html_index")
    async with feeds.sweeping():
        await until(lambda: feeds.facts)
        server.paths["/pub/"] = body(SORRY, "text/html")
        assert "no release with a version is in it" in await feeds.failed(watch)
    kept, _ = await feeds.known.kept(("html_index", f"{server.url}/pub/"))
    assert [release.version for release in kept] == ["1.1"]


async def test_a_server_that_says_unchanged_to_a_first_question_is_not_believed(
    feeds: Feeds, server: Server
) -> None:
    async def unchanged(request: web.Request) -> web.Response:
        return web.Response(status=304)

    server.paths["/r.atom"] = unchanged
    watch = feeds.watch(f"{server.url}/r.atom")
    async with feeds.sweeping(NEVER):
        assert "never asked before" in await feeds.failed(watch)


async def test_a_redirect_from_outside_to_a_private_address_is_not_followed(
    feeds: Feeds, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.paths["/r.atom"] = redirect("https://127.0.0.1/r.atom")
    monkeypatch.setenv("http_proxy", server.url)  # stands for the Internet
    monkeypatch.setenv("no_proxy", "")
    watch = feeds.watch("http://elsewhere.invalid/r.atom")
    async with feeds.sweeping(NEVER):
        assert "redirected to a private address" in await feeds.failed(watch)
    assert len(server.asked) == 1


async def test_a_name_at_a_private_address_is_reached_only_where_a_project_names_it() -> None:
    named = {"localhost"}
    hosts = NamedHosts(named.__contains__)
    assert await hosts.resolve("localhost", 80)
    named.clear()
    with pytest.raises(PrivateAddress, match="and no feed names this host"):
        await hosts.resolve("localhost", 80)
    await hosts.close()


async def test_a_bomb_is_unpacked_no_further_than_a_document_may_be() -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, 1)

    async def pieces() -> AsyncIterator[bytes]:
        yield bomb

    tracemalloc.start()
    with pytest.raises(Permanent):
        await Bodies().read(pieces(), "gzip")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64 * 1024 * 1024


async def test_a_gzip_of_any_length_is_read_whole() -> None:
    for size in (0, 1, 1024 * 1024 - 1, 1024 * 1024, 2 * 1024 * 1024, 5_000_000):
        packed = gzip.compress(b"a" * size)

        async def pieces(packed: bytes = packed) -> AsyncIterator[bytes]:
            yield packed + b"and more behind it"

        assert await Bodies().read(pieces(), "gzip") == b"a" * size


async def test_a_long_document_is_read_beside_the_event_loop(feeds: Feeds, server: Server) -> None:
    links = "".join(f'<a href="foo-0.{number}.tar.gz">x</a>' for number in range(8_000))
    server.paths["/pub/"] = f"<html>{links}</html>"
    feeds.watch(f"{server.url}/pub/", "0.1", kind="html_index")
    feeds.timeout = 20.0
    longest, last = 0.0, time.monotonic()
    async with feeds.sweeping(NEVER):
        async with asyncio.timeout(60.0):
            while not feeds.facts:
                await asyncio.sleep(0.01)
                now = time.monotonic()
                longest, last = max(longest, now - last), now
    assert feeds.facts[0].version == "0.7999"
    assert longest < 1.0
