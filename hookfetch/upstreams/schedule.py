"""When is a repository asked again? Pure; times and pauses are in seconds."""

import hashlib
import math

from hookfetch.core.repository import RepositoryId

LONGEST_PAUSE = 3600.0  # a repository that keeps failing is asked at least this often


def next_turn(repository: RepositoryId, now: float, interval: float) -> float:
    """Return the first time after `now` that is the repository's turn: once an interval, at a place in
    it that its name alone decides, so that requests are spread evenly and a restart moves none."""
    share = int.from_bytes(hashlib.sha256(repository.encode()).digest()[:8]) / 2**64
    offset = share * interval
    turn = (math.floor((now - offset) / interval) + 1) * interval + offset
    return turn if turn > now else turn + interval


def pause(failures: int, interval: float) -> float:
    """Return how long to wait after so many failures in a row (from 1): an interval, doubled each
    time up to LONGEST_PAUSE, and never less than an interval."""
    return max(interval, min(LONGEST_PAUSE, interval * 2.0 ** min(failures - 1, 32)))
