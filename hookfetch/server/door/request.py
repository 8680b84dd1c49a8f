"""A request's line and headers from bytes to values: RFC 9112 read strictly, ambiguity refused. Pure.

What two readers of one stream could understand differently is how a request is smuggled past a
proxy, so nothing here is lenient: no bare line feed, no folded line, no blank before a colon,
one Host, and either one Content-Length or `chunked`, never both.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

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

_CONTROLS = bytes({*range(32), 127} - {9})
_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP/1\.([01])")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)", re.DOTALL)
_ABSOLUTE = re.compile(r"https?://[^/?#]+", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,18}")


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
    text = data.replace(b"\r\n", b"")  # a CR or LF that is left stood alone
    if len(text.translate(None, _CONTROLS)) != len(text):
        raise _bad()
    lines = data.decode("utf-8", "surrogateescape").split("\r\n")
    if len(lines[0]) > limits.line:
        raise Refused(414, "line_too_large", closes=True)
    if len(lines) - 1 > limits.headers or len(data) > limits.size:
        raise Refused(431, "headers_too_large", closes=True)
    method, target, minor = _request_line(lines[0])
    headers, repeated = _headers(lines)
    if minor == "1" and "host" not in headers:
        raise _bad()
    connection = headers.get("connection", "").lower()
    expect = headers.get("expect")
    if expect is not None and expect.lower() != "100-continue":
        raise Refused(417, "expectation", closes=True)
    return Head(
        method=method,
        path=_path(target),
        headers=headers,
        repeated=repeated,
        length=_length(headers, minor),
        keeps_alive=minor == "1" and "close" not in connection,
        expects_continue=expect is not None and minor == "1",
    )


def _request_line(line: str) -> tuple[str, str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        # A later version of HTTP is answered as such; anything else is no HTTP.
        raise Refused(505, "version", closes=True) if re.search(r" HTTP/[2-9]", line) else _bad()
    method, target, minor = match.groups()
    return method, target, minor


def _path(target: str) -> str:
    absolute = _ABSOLUTE.match(target)
    path = target[absolute.end() :] if absolute else target
    return path.partition("?")[0]


def _headers(lines: list[str]) -> tuple[dict[str, str], str | None]:
    headers: dict[str, str] = {}
    repeated: str | None = None
    for line in lines[1:]:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise _bad()
        written, text = match.groups()
        name, text = written.lower(), text.rstrip(" \t")
        if name not in headers:
            headers[name] = text
        elif name in _MAY_REPEAT:
            headers[name] = f"{headers[name]}, {text}"  # RFC 9110, 5.3
        elif name in _FRAMING:
            raise _bad()
        else:
            repeated = name
    return headers, repeated


def _length(headers: Mapping[str, str], minor: str) -> int | None:
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if length is not None or minor == "0":
            raise _bad()
        if coding.lower() != "chunked":
            raise Refused(501, "transfer_encoding", closes=True)
        return None
    if length is None:
        return 0
    if not _LENGTH.fullmatch(length):
        raise _bad()
    return int(length)


def _bad() -> Refused:
    return Refused(400, "bad_request", closes=True)
