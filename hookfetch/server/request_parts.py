"""A request's headers and body, taken apart within bounds before anything is known of its sender."""

import asyncio

from aiohttp import StreamReader, web
from multidict import CIMultiDictProxy

from hookfetch.core.errors import Rejected

# Seconds for a whole body; a forge gives up on us after as long.
READ_SECONDS = 10.0
# Bytes of bodies in memory at once: at least this much, and room for so many of the largest.
HELD_BYTES = 64 * 1024 * 1024
HELD_LARGEST = 8

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


class Refused(Exception):
    """A request that is refused with a bare `status`; `closes` when the rest of it is not wanted."""

    def __init__(self, status: int, code: str, *, closes: bool = False) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.closes = closes


def header_mapping(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    """Return `headers` with lower-case names.

    Rejected when one is repeated that may not be: two parties that read different ones (a
    proxy the first, the forge's code the last) could be told different signatures.
    """
    mapping: dict[str, str] = {}
    for written, text in headers.items():
        name = written.lower()
        if name not in mapping:
            mapping[name] = text
        elif name in _MAY_REPEAT:
            mapping[name] = f"{mapping[name]}, {text}"  # RFC 9110, 5.3
        else:
            raise Rejected("signature", "a header that must not be is repeated")
    return mapping


class RequestBodies:
    """Reads bodies: each within `max_body` bytes and READ_SECONDS, all together within bounds."""

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._room = max(HELD_BYTES, HELD_LARGEST * max_body)

    async def read(self, request: web.Request) -> bytes:
        """Return the body as it was sent; its memory counts as used until `release`.

        Refused: 413 too large, 415 compressed, 408 too slow, 400 broken off, 503 no room.
        """
        if (request.content_length or 0) > self._max_body:
            raise Refused(413, "too_large", closes=True)
        # Signatures are over bytes that no proxy or server has touched, and no forge compresses.
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refused(415, "content_encoding", closes=True)
        held: list[bytes] = []
        try:
            await self._receive(request.content, held)
        except BaseException:
            self._room += sum(map(len, held))
            raise
        return held[0] if len(held) == 1 else b"".join(held)

    def release(self, body: bytes) -> None:
        """Count the memory of a body that was read as free."""
        self._room += len(body)

    async def _receive(self, content: StreamReader, held: list[bytes]) -> None:
        try:
            if content.is_eof():  # most bodies come in one piece with their headers
                self._hold(content.read_nowait(), held)
                return
            async with asyncio.timeout(READ_SECONDS):
                while chunk := await content.readany():
                    self._hold(chunk, held)
        except TimeoutError as error:
            raise Refused(408, "too_slow", closes=True) from error
        except (ConnectionError, web.RequestPayloadError) as error:
            raise Refused(400, "broken_off", closes=True) from error

    def _hold(self, chunk: bytes, held: list[bytes]) -> None:
        held.append(chunk)
        self._room -= len(chunk)
        if sum(map(len, held)) > self._max_body:
            raise Refused(413, "too_large", closes=True)
        if self._room < 0:
            raise Refused(503, "busy", closes=True)
