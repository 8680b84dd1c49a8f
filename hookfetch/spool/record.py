"""Deliveries as bytes, and a frame around those bytes that shows damage. Pure.

    frame    = magic (4 bytes), payload length, payload CRC-32, CRC-32 of these 12 bytes, payload
    payload  = zstd(version byte, then for each delivery: metadata length, body length,
               metadata in JSON, the body as it was signed)

Numbers are big-endian unsigned 32-bit. The header has a checksum of its own, so that a
length can be trusted to step over a damaged payload. What is written together shares a
frame: deliveries resemble each other, and compress better and faster in one stream.
"""

import json
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import zstandard
from pydantic import TypeAdapter, ValidationError

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Permanent

MAGIC = b"hfd1"
HEADER_BYTES = 16

# These prove who sent the delivery and are good for sending more; they were checked before
# the delivery got here, and a file that outlives the request is no place for them.
SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "x-gitee-token", "x-gitlab-token"}
)

_VERSION = b"\x01"
# zstd at level 1 takes a quarter of zlib's time and leaves two thirds of its bytes.
_LEVEL = 1
# A frame that says it holds more than this, in bytes, was never written here.
_MOST_PLAIN = 1024**3
_LENGTHS = struct.Struct(">II")
_HEADER = struct.Struct(">4sIII")
_FIELDS = struct.Struct(">4sII")


@dataclass(frozen=True, slots=True)
class _Meta:
    id: str
    hook: str
    received_at: float
    headers: dict[str, str]
    attempts: int = 0


_META = TypeAdapter(_Meta)


class Packed(NamedTuple):
    """A delivery ready to be compressed: lengths and metadata, and its body uncopied."""

    head: bytes
    body: bytes


def pack(delivery: Delivery) -> Packed:
    """Return `delivery` as bytes, without its `SECRET_HEADERS`."""
    meta = {
        "id": delivery.id,
        "hook": delivery.hook,
        "received_at": delivery.received_at,
        "headers": {name: text for name, text in delivery.headers.items() if name not in SECRET_HEADERS},
        **({"attempts": delivery.attempts} if delivery.attempts else {}),
    }
    # ASCII only: header text may hold lone surrogates, which UTF-8 has no form for.
    line = json.dumps(meta, separators=(",", ":")).encode("ascii")
    return Packed(_LENGTHS.pack(len(line), len(delivery.body)) + line, delivery.body)


def compress(packed: Iterable[Packed]) -> bytes:
    """Return deliveries that are stored together as one payload."""
    plain = b"".join((_VERSION, *chain.from_iterable(packed)))
    # In one call, which gives up the interpreter's lock once and not once a delivery.
    return zstandard.ZstdCompressor(level=_LEVEL).compress(plain)


def decode_deliveries(payload: bytes) -> list[Delivery]:
    """Return the deliveries in a payload; Permanent when `payload` is nothing of the kind."""
    try:
        if not 0 < zstandard.frame_content_size(payload) <= _MOST_PLAIN:
            raise Permanent("not a spooled delivery: it says that it is empty or too large")
        plain = zstandard.ZstdDecompressor().decompress(payload)
    except zstandard.ZstdError as error:
        raise Permanent(f"not a spooled delivery: {error}") from error
    if plain[:1] != _VERSION:
        raise Permanent(f"not a spooled delivery of this version: it starts with {plain[:1]!r}")
    deliveries: list[Delivery] = []
    place = 1
    while place < len(plain):
        delivery, place = _decode_one(plain, place)
        deliveries.append(delivery)
    return deliveries


def encode_deliveries(deliveries: Iterable[Delivery]) -> bytes:
    """Return deliveries compressed in one stream, for `decode_deliveries`."""
    return compress(map(pack, deliveries))


def encode_delivery(delivery: Delivery) -> bytes:
    """Return one delivery compressed, as a dead letter carries it."""
    return compress([pack(delivery)])


def decode_delivery(payload: bytes) -> Delivery:
    """Return what `encode_delivery` was given; Permanent when `payload` is nothing of the kind."""
    deliveries = decode_deliveries(payload)
    if len(deliveries) != 1:
        raise Permanent(f"not a spooled delivery: it holds {len(deliveries)}")
    return deliveries[0]


def _decode_one(plain: bytes, place: int) -> tuple[Delivery, int]:
    begin = place + _LENGTHS.size
    if begin > len(plain):
        raise Permanent("not a spooled delivery: it is cut off")
    meta_length, body_length = _LENGTHS.unpack_from(plain, place)
    middle, end = begin + meta_length, begin + meta_length + body_length
    if end > len(plain):
        raise Permanent("not a spooled delivery: it is cut off")
    try:
        # Not pydantic's own JSON reader: it refuses the lone surrogates that `json` keeps.
        meta = _META.validate_python(json.loads(plain[begin:middle]))
    except (ValueError, ValidationError) as error:
        raise Permanent("not a spooled delivery: its metadata has another form") from error
    body = plain[middle:end]
    delivery = Delivery(
        id=meta.id,
        hook=meta.hook,
        headers=meta.headers,
        body=body,
        received_at=meta.received_at,
        attempts=meta.attempts,
    )
    return delivery, end


def frame(payload: bytes) -> bytes:
    """Return `payload` behind a header that shows whether both arrived whole."""
    fields = _FIELDS.pack(MAGIC, len(payload), zlib.crc32(payload))
    return b"".join((fields, zlib.crc32(fields).to_bytes(4, "big"), payload))


@dataclass(frozen=True, slots=True)
class Header:
    """What a frame says of its payload: bytes and CRC-32."""

    length: int
    checksum: int


def read_header(data: bytes) -> Header | None:
    """Return the header that `data` starts with, or None when there is no whole, undamaged one."""
    if len(data) < HEADER_BYTES:
        return None
    magic, length, checksum, own = _HEADER.unpack_from(data)
    if magic != MAGIC or own != zlib.crc32(data[: _FIELDS.size]):
        return None
    return Header(length, checksum)


def is_whole(header: Header, payload: bytes) -> bool:
    """Return whether `payload` is what `header` was written for."""
    return len(payload) == header.length and zlib.crc32(payload) == header.checksum


def next_whole_frame(data: bytes, start: int) -> int:
    """Return where the first undamaged frame at or after `start` begins, or `len(data)`."""
    place = data.find(MAGIC, start)
    while place >= 0:
        header = read_header(data[place : place + HEADER_BYTES])
        if header is not None:
            begin = place + HEADER_BYTES
            if is_whole(header, data[begin : begin + header.length]):
                return place
        place = data.find(MAGIC, place + 1)
    return len(data)


def is_torn(tail: bytes) -> bool:
    """Return whether `tail` is the beginning of a frame whose rest was never written.

    A file that grew before its data arrived ends in zeros; that is torn as well.
    """
    if not tail.strip(b"\0"):
        return True
    if len(tail) < HEADER_BYTES:
        return tail[: len(MAGIC)] == MAGIC[: len(tail)]
    header = read_header(tail)
    return header is not None and len(tail) < HEADER_BYTES + header.length
