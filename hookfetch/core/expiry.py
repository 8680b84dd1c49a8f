"""What is given up when too much is kept? Pure: no clock, no files."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something that is kept to be used again, `name`d by its path. `bytes` on disk; `used` last at this Unix
    time; `pinned` while somebody uses it."""

    name: str
    bytes: int
    used: float
    pinned: bool


def surplus(kept: Iterable[Kept], quota: int) -> list[Kept]:
    """Return what is to be given up for the rest to have at most `quota` bytes: the least recently used
    first, and nothing that is pinned, so that it may be too little."""
    listed = sorted(kept, key=lambda each: (each.used, each.name))
    left = sum(each.bytes for each in listed)
    given_up = []
    for each in listed:
        if left <= quota:
            break
        if not each.pinned:
            given_up.append(each)
            left -= each.bytes
    return given_up
