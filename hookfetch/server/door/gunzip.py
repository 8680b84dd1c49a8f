"""A gzip body opened in bounded steps (RFC 1952). Pure; slow for large bodies: for a thread.

It stops at the first byte over its limit, so a bomb costs no more than an honest body does.
"""

import zlib

from hookfetch.server.door.answer import Refused

_STEP = 256 * 1024
# Members of one body; each costs something though it may hold nothing.
_MEMBERS = 64
_GZIP = 16 + zlib.MAX_WBITS


def gunzip(body: bytes, most: int) -> bytes:
    """Return the content of `body`, all its members behind each other.

    Refused: 413 more than `most` bytes, 400 damaged, cut off, or followed by something else.
    """
    opened: list[bytes] = []
    room = most
    rest = body
    for _ in range(_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            piece = _step(member, rest, min(_STEP, room + 1))
            rest = member.unconsumed_tail
            room -= len(piece)
            if room < 0:
                raise Refused(413, "too_large", closes=True)
            opened.append(piece)
            if not piece and not rest and not member.eof:
                raise _bad()  # cut off
        rest = member.unused_data
        if not rest:
            return b"".join(opened)
    raise _bad()


def _step(member: "zlib._Decompress", data: bytes, most: int) -> bytes:
    try:
        return member.decompress(data, most)
    except zlib.error as error:
        raise _bad() from error


def _bad() -> Refused:
    return Refused(400, "bad_gzip")
