"""The name of a blob in a Content Addressable Storage, as events and answers carry it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Digest:
    """`hash` is SHA-256 in hexadecimal, `size` is in bytes."""

    hash: str
    size: int
