"""The door over raw sockets: slow, silent, endless, ambiguous and too many senders, each in bounded time."""

import asyncio
import random
import resource
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from hookfetch.core.errors import ConfigurationError
from hookfetch.server import http
from hookfetch.server.door import connection
from hookfetch.server.door.answer import Answer
from hookfetch.server.door.house import Limits, Reply
from hookfetch.server.door.request import Head, HeadLimits
from hookfetch.server.door.senders import Address
from hookfetch.server.http import HttpServer
from hookfetch.server.ingress import Ingress
from hookfetch.spool import SegmentSpool

POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
LOOPBACK = ip_network("127.0.0.0/8")
SLOWEST = 5.0  # seconds in which everything here must have ended


class Echo:
    """Answers with the body's text, once it may."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.senders: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def route(self, head: Head, sender: Address) -> Reply:
        self.senders.append(str(sender))
        return self.reply

    async def reply(self, head: Head, body: bytes) -> Answer:
        self.bodies.append(body)
        await self.may_answer.wait()
        return Answer(200, {"body": body[:20].decode()})


class Wire:
    """A sender's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def everything(self) -> bytes:
        """Return what comes until the door closes."""
        async with asyncio.timeout(SLOWEST):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def answer(self) -> bytes:
        """Return the next answer's head and body."""
        async with asyncio.timeout(SLOWEST):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            return head + await self.reader.readexactly(length)


Connect = Callable[[], Awaitable[Wire]]


@asynccontextmanager
async def serving(application: object, **limits: object) -> AsyncIterator[Connect]:
    server = HttpServer(application, "127.0.0.1:0", Limits(**limits))  # type: ignore[arg-type]
    await server.start()
    opened: list[Wire] = []

    async def connect() -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", server.port))
        opened.append(wire)
        return wire

    try:
        yield connect
    finally:
        await server.stop()
        for wire in opened:
            wire.writer.close()


@pytest.fixture(autouse=True)
def _short_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.3)
    monkeypatch.setattr(http, "TICK", 0.02)


async def ask(connect: Connect, data: bytes) -> bytes:
    wire = await connect()
    wire.send(data)
    return await wire.everything()


async def test_a_request_a_byte_at_a_time_is_answered() -> None:
    echo = Echo()
    async with serving(echo) as connect:
        wire = await connect()
        for byte in POST + b"Content-Length: 5\r\n\r\nhello":
            wire.send(bytes([byte]))
            await wire.writer.drain()
            await asyncio.sleep(0)
        assert b'{"body": "hello"}' in await wire.answer()


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


async def test_pipelined_requests_are_answered_one_after_the_other() -> None:
    async with serving(Echo()) as connect:
        requests = [POST + b"Content-Length: 2\r\n\r\n%02d" % number for number in range(50)]
        wire = await connect()
        wire.send(b"".join(requests))
        for number in range(50):
            assert b'"%02d"' % number in await wire.answer()


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


SMUGGLING = {
    "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello",
    "a signed length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
    "digits of another script": POST + b"Content-Length: \xd9\xa5\r\n\r\nhello",
    "a blank before the colon": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello",
    "a folded line": b"POST / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "a bare line feed": b"POST / HTTP/1.1\nHost: x\r\nX: y\r\n\r\n",
    "a bare carriage return": b"POST / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
    "a NUL": b"POST / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    "two hosts": b"POST / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "no host": b"POST / HTTP/1.1\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk size in hex with a prefix": POST
    + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than said": POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
}


@pytest.mark.parametrize("shape", SMUGGLING)
async def test_what_two_readers_could_read_differently_is_a_bare_400_and_the_end(shape: str) -> None:
    echo = Echo()
    async with serving(echo) as connect:
        said = await ask(connect, SMUGGLING[shape] + POST + b"\r\n")
        assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert said.endswith(b'{"error": "bad_request"}')
        assert said.count(b"HTTP/1.1") == 1
    assert echo.bodies == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (POST + b"Expect: the-impossible\r\n\r\n", 417),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (b"GET /" + b"a" * 9000, 414),
        (POST + b"X: " + b"y" * 40_000, 431),
        (POST + b"X: " + b"y" * 40_000 + b"\r\n\r\n", 431),
        (POST + b"".join(b"X-%d: y\r\n" % number for number in range(101)) + b"\r\n", 431),
        (POST + b"Content-Length: 999999999999\r\n\r\n", 413),
    ],
)
async def test_what_is_too_much_is_refused_before_it_is_read(request_bytes: bytes, status: int) -> None:
    async with serving(Echo(), head=HeadLimits()) as connect:
        assert (await ask(connect, request_bytes)).startswith(b"HTTP/1.1 %d " % status)


async def test_http_1_0_is_answered_and_closed() -> None:
    async with serving(Echo()) as connect:
        said = await ask(connect, b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi")
        assert said.startswith(b"HTTP/1.1 200 ")
        assert b"Connection: close" in said


async def test_a_sender_that_waits_to_be_asked_for_the_body_is_asked() -> None:
    async with serving(Echo()) as connect:
        wire = await connect()
        wire.send(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        async with asyncio.timeout(SLOWEST):
            assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"hi")
        assert b'"hi"' in await wire.answer()


async def test_an_idle_connection_is_closed() -> None:
    async with serving(Echo(), idle_seconds=0.2) as connect:
        wire = await connect()
        wire.send(POST + b"\r\n")
        assert b" 200 " in await wire.answer()
        assert await wire.everything() == b""


async def test_one_address_more_than_its_share_is_told_429_and_the_rest_503() -> None:
    async with serving(Echo(), per_address=3, connections=3) as connect:
        held = [await connect() for _ in range(3)]
        held[0].send(POST + b"\r\n")
        await held[0].answer()
        assert b" 503 " in (await ask(connect, b""))
    async with serving(Echo(), per_address=3) as connect:
        held = [await connect() for _ in range(3)]
        held[0].send(POST + b"\r\n")
        await held[0].answer()
        said = await ask(connect, b"")
        assert said.startswith(b"HTTP/1.1 429 ")
        assert b"Retry-After: 10\r\n" in said
        held[0].writer.close()
        async with asyncio.timeout(SLOWEST):
            while b" 200 " not in await ask(connect, POST + b"Connection: close\r\n\r\n"):
                await asyncio.sleep(0.01)


async def test_a_network_that_may_not_send_is_refused_before_it_has_said_anything() -> None:
    async with serving(Echo(), allow_from=(ip_network("192.0.2.0/24"),)) as connect:
        assert (await ask(connect, b"")).startswith(b"HTTP/1.1 403 ")


async def test_behind_a_trusted_proxy_the_client_is_the_one_who_counts() -> None:
    echo = Echo()
    echo.may_answer.clear()
    head = POST + b"Content-Length: 0\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.9, %s\r\n\r\n"
    limits = {
        "trusted_proxies": (LOOPBACK,),
        "per_address": 2,
        "allow_from": (ip_network("198.51.100.0/24"),),
    }
    async with serving(echo, **limits) as connect:
        busy = [await connect() for _ in range(2)]
        for wire in busy:
            wire.send(head % b"198.51.100.7")
        async with asyncio.timeout(SLOWEST):
            while len(echo.bodies) < 2:
                await asyncio.sleep(0.01)
        assert b" 429 " in await ask(connect, head % b"198.51.100.7")
        assert b" 403 " in await ask(connect, head % b"203.0.113.5")
        assert b" 403 " in await ask(connect, head % b"no address")
        echo.may_answer.set()
        assert all([b" 200 " in await wire.everything() for wire in busy])
        assert b" 200 " in await ask(connect, head % b"198.51.100.7")
    assert set(echo.senders) == {"198.51.100.7"}


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


READY = b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("NOT RUN, no right to mount a small tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_a_full_disk_is_not_ready_and_ready_again_when_there_is_room(small_disk: Path) -> None:
    async with (
        SegmentSpool(small_disk / "spool", 10_000_000) as spool,
        serving(Ingress({}, spool, lambda: 0.0, 1000)) as connect,
    ):
        assert b" 200 " in await ask(connect, READY)
        fill(small_disk / "filler")
        await until(connect, b" 503 ")
        (small_disk / "filler").unlink()
        await until(connect, b" 200 ")


def fill(path: Path) -> None:
    while shutil.disk_usage(path.parent).free:
        with path.open("ab", buffering=0) as file:
            file.write(bytes(4096))


async def until(connect: Connect, status: bytes) -> None:
    async with asyncio.timeout(SLOWEST):
        while status not in await ask(connect, READY):
            await asyncio.sleep(0.05)


async def test_a_disk_that_cannot_be_written_is_not_ready(small_disk: Path) -> None:
    async with (
        SegmentSpool(small_disk / "spool", 10_000_000) as spool,
        serving(Ingress({}, spool, lambda: 0.0, 1000)) as connect,
    ):
        remount(small_disk, "ro")
        await until(connect, b" 503 ")
        remount(small_disk, "rw")
        await until(connect, b" 200 ")


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)
