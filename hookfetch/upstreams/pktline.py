"""Git's pkt-line framing as bytes in, packets out. Pure and bounded; it knows nothing of what packets say.

gitprotocol-common(5): four hex digits give a packet's length, themselves included; lengths
below four are marks without content.
"""

from collections.abc import Iterator
from enum import Enum

from hookfetch.core.errors import Temporary

MAX_PACKET = 65520  # bytes, the length itself included
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Mark(Enum):
    """A packet without content."""

    FLUSH = 0
    DELIMITER = 1
    RESPONSE_END = 2


Packet = bytes | Mark


def packet(content: bytes) -> bytes:
    """Return `content` as one packet; ValueError when it is too long for one."""
    length = len(content) + 4
    if length > MAX_PACKET:
        raise ValueError(f"{len(content)} bytes do not fit into one packet")
    return b"%04x" % length + content


def mark(what: Mark) -> bytes:
    """Return a mark's four bytes."""
    return b"%04x" % what.value


class PacketReader:
    """Takes bytes as they come; holds at most one unfinished packet."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that `data` completes; Temporary when it is no pkt-line."""
        buffer = self._rest + data
        position = 0
        while len(buffer) - position >= 4:
            length = _length(buffer[position : position + 4])
            if isinstance(length, Mark):
                position += 4
                yield length
                continue
            if len(buffer) - position < length:
                break
            yield buffer[position + 4 : position + length]
            position += length
        self._rest = buffer[position:]

    def finish(self) -> None:
        """Return if the bytes ended between two packets; Temporary otherwise."""
        if self._rest:
            raise Temporary("the answer ends inside a packet")


def _length(digits: bytes) -> int | Mark:
    if not _HEX.issuperset(digits):
        raise Temporary(f"the answer is not git's: it has {digits!r} for a packet's length")
    length = int(digits, 16)
    if length <= Mark.RESPONSE_END.value:
        return Mark(length)
    if length == 3 or length > MAX_PACKET:
        raise Temporary(f"the answer has a packet of length {length}")
    return length
