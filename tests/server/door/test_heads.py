"""Heads that are ambiguous, too large, or of another HTTP, over raw sockets."""

import pytest

from hookfetch.server.door.request import HeadLimits
from tests.server.door.wire import POST, Echo, ask, serving

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
