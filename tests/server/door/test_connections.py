"""Several requests on a connection, senders that do not listen, and the door's opening and closing."""

import asyncio
import random

import pytest

from hookfetch.core.errors import ConfigurationError
from hookfetch.server.door.answer import Answer
from hookfetch.server.door.house import Limits
from hookfetch.server.door.request import Head
from hookfetch.server.http import HttpServer
from tests.server.door.wire import POST, SLOWEST, Echo, Wire, ask, serving


async def test_pipelined_requests_are_answered_one_after_the_other() -> None:
    async with serving(Echo()) as connect:
        requests = [POST + b"Content-Length: 2\r\n\r\n%02d" % number for number in range(50)]
        wire = await connect()
        wire.send(b"".join(requests))
        for number in range(50):
            assert b'"%02d"' % number in await wire.answer()


async def test_a_request_behind_a_chunked_body_is_answered_too() -> None:
    async with serving(Echo()) as connect:
        wire = await connect()
        wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n01\r\n0\r\n\r\n")
        wire.send(POST + b"Content-Length: 2\r\n\r\n02")
        assert b'"01"' in await wire.answer()
        assert b'"02"' in await wire.answer()


class Wordy(Echo):
    """Answers at a length that socket buffers do not take for long."""

    async def reply(self, head: Head, body: bytes) -> Answer:
        self.bodies.append(body)
        return Answer(200, {"body": "x" * 60_000})


async def test_a_sender_that_reads_no_answers_is_given_up() -> None:
    wordy = Wordy()
    async with serving(wordy) as connect:
        wire = await connect()
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a ReadTransport too
        wire.send((POST + b"\r\n") * 1000)
        # Had it only been waited for, the connection would last.
        with pytest.raises(ConnectionError):
            await write_for_ever(wire)
        assert 0 < len(wordy.bodies) < 1000


async def write_for_ever(wire: Wire) -> None:
    async with asyncio.timeout(SLOWEST):
        while True:
            wire.send(b"\r\n")
            await wire.writer.drain()
            await asyncio.sleep(0.02)


async def test_a_sender_that_writes_far_ahead_is_answered_once_and_closed() -> None:
    async with serving(Echo()) as connect:
        said = await ask(connect, (POST + b"\r\n") * 5000)
        assert 1 <= said.count(b"HTTP/1.1 200 ") < 5000


async def test_what_is_being_answered_is_finished_when_the_door_closes() -> None:
    echo = Echo()
    echo.may_answer.clear()
    server = HttpServer(echo, "127.0.0.1:0", Limits())
    await server.start()
    wire = Wire(*await asyncio.open_connection("127.0.0.1", server.port))
    wire.send(POST + b"Content-Length: 2\r\n\r\nhi")
    async with asyncio.timeout(SLOWEST):
        while not echo.bodies:
            await asyncio.sleep(0.01)
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    echo.may_answer.set()
    assert b'"hi"' in await wire.everything()
    await stopping
    wire.writer.close()


async def test_an_address_that_is_taken_is_a_configuration_error() -> None:
    first = HttpServer(Echo(), "127.0.0.1:0", Limits())
    await first.start()
    try:
        with pytest.raises(ConfigurationError, match="cannot listen"):
            await HttpServer(Echo(), f"127.0.0.1:{first.port}", Limits()).start()
    finally:
        await first.stop()


async def test_random_bytes_end_in_an_answer_or_a_close_and_leave_the_door_open() -> None:
    rng = random.Random(4)
    whole = POST + b"Content-Length: 5\r\nX-A: b\r\n\r\nhello"
    async with serving(Echo(), head_seconds=0.5, body_seconds=0.5) as connect:
        for _ in range(100):
            damaged = bytearray(whole)
            for _ in range(rng.randrange(1, 6)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            wire = await connect()
            wire.send(bytes(damaged))
            wire.writer.write_eof()
            assert (await wire.everything())[:9] in {b"HTTP/1.1 ", b""}
        assert b" 200 " in await ask(connect, POST + b"Connection: close\r\n\r\n")
