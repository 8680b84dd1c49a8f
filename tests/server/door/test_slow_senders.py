"""Senders that are silent, slow or idle, each cut off in bounded time."""

import asyncio
import resource

from tests.server.door.wire import POST, Echo, ask, serving


async def test_headers_that_never_end_are_cut_off_however_steadily_they_come() -> None:
    async with serving(Echo(), head_seconds=0.3) as connect:
        wire = await connect()

        async def trickle() -> None:
            while True:
                wire.send(b"X-A: b\r\n")
                await asyncio.sleep(0.05)

        wire.send(POST)
        trickling = asyncio.create_task(trickle())
        try:
            assert (await wire.answer()).startswith(b"HTTP/1.1 408 ")
        finally:
            trickling.cancel()


async def test_a_thousand_connections_that_say_nothing_are_closed_and_keep_no_one_out() -> None:
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(3000, most), most))  # both ends are ours
    try:
        async with serving(Echo(), head_seconds=1.0, connections=1100, per_address=1100) as connect:
            silent = [await connect() for _ in range(1000)]
            assert b" 200 " in await ask(connect, POST + b"Connection: close\r\n\r\n")
            assert await asyncio.gather(*(wire.everything() for wire in silent)) == [b""] * 1000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))


async def test_a_body_that_stalls_is_cut_off_and_so_is_one_that_trickles() -> None:
    async with serving(Echo(), body_seconds=0.3) as connect:
        for framing in (b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"):
            assert (await ask(connect, POST + framing + b"x")).startswith(b"HTTP/1.1 408 ")


async def test_an_idle_connection_is_closed() -> None:
    async with serving(Echo(), idle_seconds=0.2) as connect:
        wire = await connect()
        wire.send(POST + b"\r\n")
        assert b" 200 " in await wire.answer()
        assert await wire.everything() == b""
