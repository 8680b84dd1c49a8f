"""A request's line and headers from bytes to values: RFC 9112 read strictly, ambiguity refused. Pure.

llhttp (by way of httptools) knows the grammar. What two readers of one stream could understand
differently is how a request is smuggled past a proxy, so what llhttp lets through, or leaves to
its user, is refused here: other protocols, repeated or missing hosts, codings besides `chunked`.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from hookfetch.server.door.answer import Refused

# Headers that are lists by their specification, or that each proxy on the way adds to.
_MAY_REPEAT = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
    }
)
_FRAMING = frozenset({"content-length", "transfer-encoding", "host"})

# llhttp also takes HTTP/0.9 (behind it even a bare line feed) and HTTP/2.0, RTSP, ICE, several blanks, and
# empty lines before.
_LINE = re.compile(rb"[!-~]+ [!-~]+ HTTP/1\.[01]")
_ABSOLUTE = re.compile(r"https?://[^/?#]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """How much may stand before a body: `size` bytes in all, `line` in the first line, `headers` lines."""

    size: int = 32 * 1024
    line: int = 8 * 1024
    headers: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A request before its body. `headers` have lower-case names; `repeated` names one that
    came twice and may not. `length` is the body's in bytes, None when it comes in chunks."""

    method: str
    path: str
    headers: Mapping[str, str]
    repeated: str | None
    length: int | None
    keeps_alive: bool
    expects_continue: bool


def parse_head(data: bytes, limits: HeadLimits) -> Head:
    """Return the request whose line and headers are `data`, without the empty line that ends them.

    Refused: 400 not HTTP or ambiguous, 414 or 431 too large, 417, 501, 505.
    """
    line, count = data.partition(b"\r\n")[0], data.count(b"\r\n")
    if len(line) > limits.line:
        raise Refused(414, "line_too_large", closes=True)
    if count > limits.headers or len(data) > limits.size:
        raise Refused(431, "headers_too_large", closes=True)
    if not _LINE.fullmatch(line):
        # A later version of HTTP is answered as such; anything else is no HTTP.
        raise Refused(505, "version", closes=True) if re.search(rb" HTTP/[2-9]", line) else _bad()
    found = _Found()
    parser = HttpRequestParser(found)
    try:
        with suppress(HttpParserUpgrade):  # an offer that nobody has to take
            parser.feed_data(data + b"\r\n\r\n")
    except HttpParserError as error:
        raise _bad() from error
    # llhttp has taken bare ends of lines and folded ones before; then these numbers are not equal.
    if not data.count(b"\r") == data.count(b"\n") == count == found.count:
        raise _bad()
    headers, is_1_1 = found.headers, parser.get_http_version() == "1.1"
    if is_1_1 and "host" not in headers:
        raise _bad()
    connection = headers.get("connection", "").lower()
    expect = headers.get("expect")
    if expect is not None and expect.lower() != "100-continue":
        raise Refused(417, "expectation", closes=True)
    return Head(
        method=parser.get_method().decode(),
        path=_path(found.target.decode()),
        headers=headers,
        repeated=found.repeated,
        length=_length(headers, is_1_1),
        keeps_alive=is_1_1 and "close" not in connection,
        expects_continue=expect is not None and is_1_1,
    )


class _Found:
    """What the parser finds, each in one piece, since a head is given to it whole."""

    def __init__(self) -> None:
        self.target = b""
        self.count = 0
        self.headers: dict[str, str] = {}
        self.repeated: str | None = None

    def on_url(self, url: bytes) -> None:
        self.target = url

    def on_header(self, written: bytes, value: bytes) -> None:
        self.count += 1
        name = written.decode().lower()
        text = value.rstrip(b" \t").decode("utf-8", "surrogateescape")
        if name not in self.headers:
            self.headers[name] = text
        elif name in _MAY_REPEAT:
            self.headers[name] = f"{self.headers[name]}, {text}"  # RFC 9110, 5.3
        elif name in _FRAMING:
            raise _bad()
        else:
            self.repeated = name


def _path(target: str) -> str:
    absolute = _ABSOLUTE.match(target)
    path = target[absolute.end() :] if absolute else target
    return path.partition("?")[0]


def _length(headers: Mapping[str, str], is_1_1: bool) -> int | None:
    coding = headers.get("transfer-encoding")
    if coding is None:
        length = headers.get("content-length", "0")
        if len(length) > 18:  # zeros before it, of which int() would not read any number
            raise _bad()
        return int(length)
    if not is_1_1:
        raise _bad()
    if coding.lower() != "chunked":
        raise Refused(501, "transfer_encoding", closes=True)
    return None


def _bad() -> Refused:
    return Refused(400, "bad_request", closes=True)
