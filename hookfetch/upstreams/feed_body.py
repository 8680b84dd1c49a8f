"""The body of an answer, unpacked while it comes and never longer than a document may be: of a few bytes that
stand for gigabytes no more is unpacked than that. Few long ones are held at once.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Protocol

from hookfetch.core.errors import Permanent
from hookfetch.feeds import MAX_BODY

LONG = 1024 * 1024  # bytes
_LONG_AT_ONCE = 2


class _Unpacker(Protocol):
    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Bodies:
    """Reads the bodies of a process."""

    def __init__(self) -> None:
        self._long = asyncio.Semaphore(_LONG_AT_ONCE)

    async def read(self, pieces: AsyncIterator[bytes], encoding: str | None) -> bytes:
        """Return what `pieces` hold in this content coding (RFC 9110, 8.4.1); Permanent when it is another
        than gzip, broken, or longer than a document may be."""
        body = bytearray()
        held = False
        try:
            async for piece in _unpacked(pieces, encoding):
                body += piece
                if len(body) > MAX_BODY:
                    raise Permanent(f"the document has more than {MAX_BODY} bytes")
                if not held and len(body) > LONG:
                    await self._long.acquire()
                    held = True
            return bytes(body)
        finally:
            if held:
                self._long.release()


async def _unpacked(pieces: AsyncIterator[bytes], encoding: str | None) -> AsyncIterator[bytes]:
    if encoding is None or encoding == "identity":
        async for piece in pieces:
            yield piece
        return
    if encoding not in ("gzip", "x-gzip"):
        raise Permanent(f"the body is in the content coding {encoding[:40]!r}, which nobody asked for")
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        async for piece in pieces:
            left = piece
            more = True
            while more:
                data = unpacker.decompress(left, LONG)
                left = unpacker.unconsumed_tail
                more = not unpacker.eof and (bool(left) or len(data) == LONG)
                yield data
            if unpacker.eof:
                return  # whatever comes behind it
    except zlib.error as error:
        raise Permanent("the body is no gzip, though it says so") from error
    raise Permanent("the body ends before its gzip does")
