"""A chunked body, decoded as it arrives (RFC 9112, 7.1). Pure; bounded in all but the body itself.

`Chunked` is fed bytes and gives the body's; its caller counts them and has the time.
"""

import re
from enum import Enum, auto

from hookfetch.server.door.answer import Refused

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
# Bytes of a size with its extensions, and of a trailer, which is read and forgotten.
_LINE_BYTES = 256
_TRAILER_BYTES = 8192
# Chunks that may be small before their average counts: a byte a chunk costs us far more than its sender.
_FREE_CHUNKS = 1000
_LEAST_AVERAGE = 64


class _Next(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    NOTHING = auto()


class Chunked:
    """Decodes one body. `ended` once it is whole; `rest` is then what came behind it."""

    def __init__(self) -> None:
        self.rest = b""
        self._next = _Next.SIZE
        self._left = 0
        self._chunks = 0
        self._bytes = 0
        self._trailer = 0

    @property
    def ended(self) -> bool:
        """Return whether the last chunk and its trailer are through."""
        return self._next is _Next.NOTHING

    def feed(self, data: bytes) -> bytes:
        """Return what `data` adds to the body; Refused (400) when it is not chunked as it should be."""
        data, self.rest = self.rest + data, b""
        place = 0
        decoded = bytearray()
        while self._next is not _Next.NOTHING:
            if self._next is _Next.DATA:
                piece = data[place : place + self._left]
                if not piece:
                    break
                decoded += piece
                place += len(piece)
                self._left -= len(piece)
                if self._left == 0:
                    self._next = _Next.DATA_END
                continue
            end = data.find(b"\r\n", place, place + self._longest() + 2)
            if end < 0:
                if len(data) - place > self._longest():
                    raise _bad()
                break
            self._line(data[place:end])
            place = end + 2
        self.rest = data[place:]
        return bytes(decoded)

    def _longest(self) -> int:
        if self._next is _Next.DATA_END:
            return 1  # the CR of its CR LF
        return _LINE_BYTES if self._next is _Next.SIZE else _TRAILER_BYTES

    def _line(self, line: bytes) -> None:
        if self._next is _Next.DATA_END:
            if line:
                raise _bad()
            self._next = _Next.SIZE
        elif self._next is _Next.SIZE:
            self._size(line)
        elif line:
            self._trailer += len(line) + 2
            if self._trailer > _TRAILER_BYTES:
                raise _bad()
        else:
            self._next = _Next.NOTHING

    def _size(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line)
        if match is None:
            raise _bad()
        self._left = int(match.group(1), 16)
        self._chunks += 1
        self._bytes += self._left
        if self._chunks > _FREE_CHUNKS and self._bytes < self._chunks * _LEAST_AVERAGE:
            raise _bad()
        self._next = _Next.DATA if self._left else _Next.TRAILER


def _bad() -> Refused:
    return Refused(400, "bad_request", closes=True)
