"""Bodies in pieces, in chunks, without end, and those that wait to be asked for."""

import asyncio

from tests.server.door.wire import POST, SLOWEST, Echo, serving


async def test_a_request_a_byte_at_a_time_is_answered() -> None:
    echo = Echo()
    async with serving(echo) as connect:
        wire = await connect()
        for byte in POST + b"Content-Length: 5\r\n\r\nhello":
            wire.send(bytes([byte]))
            await wire.writer.drain()
            await asyncio.sleep(0)
        assert b'{"body": "hello"}' in await wire.answer()


async def test_a_chunked_body_without_end_stops_at_its_limit() -> None:
    async with serving(Echo(), max_body=100_000) as connect:
        wire = await connect()
        wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(4):
            wire.send(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        assert (await wire.answer()).startswith(b"HTTP/1.1 413 ")


async def test_a_body_in_single_bytes_is_refused_before_it_costs_much() -> None:
    async with serving(Echo()) as connect:
        wire = await connect()
        wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 2000)
        assert (await wire.answer()).startswith(b"HTTP/1.1 400 ")


async def test_a_chunked_body_is_put_together_wherever_it_is_cut() -> None:
    echo = Echo()
    body = b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
    async with serving(echo) as connect:
        for cut in range(len(body)):
            wire = await connect()
            wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + body[:cut])
            await wire.writer.drain()
            await asyncio.sleep(0.001)
            wire.send(body[cut:])
            assert b'"hello world"' in await wire.answer()
    assert set(echo.bodies) == {b"hello world"}


async def test_a_sender_that_waits_to_be_asked_for_the_body_is_asked() -> None:
    async with serving(Echo()) as connect:
        wire = await connect()
        wire.send(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        async with asyncio.timeout(SLOWEST):
            assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"hi")
        assert b'"hi"' in await wire.answer()
