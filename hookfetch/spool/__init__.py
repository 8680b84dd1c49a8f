"""The ingress's durable spool: accepted deliveries on disk until the bus has their facts.

`SegmentSpool` is the store, `append_from_outside` lets another process add to it, and
`encode_delivery`/`decode_delivery` are the bytes that one delivery becomes (a dead
letter carries the same bytes). Nothing here parses a payload.
"""

from hookfetch.spool.outside import append_from_outside
from hookfetch.spool.record import decode_delivery, encode_delivery
from hookfetch.spool.spool import SegmentSpool

__all__ = ["SegmentSpool", "append_from_outside", "decode_delivery", "encode_delivery"]
