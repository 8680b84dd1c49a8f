"""A chunked body, decoded by llhttp as it arrives (RFC 9112, 7.1). Pure; bounded in all but the body itself.

`Chunked` is fed bytes and gives the body's; its caller counts them and has the time.
"""

from httptools import HttpParserError, HttpRequestParser

from hookfetch.server.door.answer import Refused

# The parser reads requests, so it is told of one. Not the sender's own head: what that says of upgrades
# would have the parser read no body.
_HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"\r\n\r\n"
# Bytes that are not the body's: sizes, extensions, trailers. A byte a chunk costs us far more than its
# sender, so this many may come besides an eighth of the body, which is a chunk every 48 bytes.
_FREE_BYTES = 8192
_SHARE = 8
# What an empty line in a body counts as, for there the parser is called anew.
_CALL_BYTES = 8


class Chunked:
    """Decodes one body. `rest` is what came behind it, once it is whole."""

    def __init__(self) -> None:
        self.rest = b""
        self._body = _Body()
        self._parser = HttpRequestParser(self._body)
        self._parser.feed_data(_HEAD)
        self._tail = b""
        self._bytes = 0
        self._other_bytes = 0

    @property
    def ended(self) -> bool:
        """Return whether the last chunk and its trailer are through."""
        return self._body.ended

    def feed(self, data: bytes) -> bytes:
        """Return what `data` adds to the body; Refused (400) when it is not chunked as it should be."""
        place = len(self._tail)
        data = self._tail + data
        self._body.decoded = decoded = bytearray()
        while place < len(data) and not self.ended:
            # The parser does not say where in its bytes a body ended, so they end where one can.
            found = data.find(_END, max(0, place - len(_END) + 1))
            end = found + len(_END) if found >= 0 else len(data)
            self._parse(data[place:end])
            if found >= 0:
                self._other_bytes += _CALL_BYTES
            place = end
        self._tail, self.rest = data[1 - len(_END) :], data[place:]
        return bytes(decoded)

    def _parse(self, piece: bytes) -> None:
        had = len(self._body.decoded)
        try:
            self._parser.feed_data(piece)
        except HttpParserError as error:
            raise _bad() from error
        added = len(self._body.decoded) - had
        self._bytes += added
        self._other_bytes += len(piece) - added
        if self._other_bytes > _FREE_BYTES + self._bytes // _SHARE:
            raise _bad()


class _Body:
    """What the parser finds. It has no place for a trailer, which is therefore forgotten."""

    def __init__(self) -> None:
        self.decoded = bytearray()
        self.ended = False

    def on_body(self, data: bytes) -> None:
        self.decoded += data

    def on_message_complete(self) -> None:
        self.ended = True


def _bad() -> Refused:
    return Refused(400, "bad_request", closes=True)
