"""When is a repository asked again? Pure; times and pauses are in seconds.

An upstream that moved lately will move again soon, and one that slept for a year will hardly wake
today: its interval is a share of the time since it last moved. Intervals are powers of two times the
least one, so that the turns of a longer one are among those of a shorter, and what is asked when does
not depend on who asks since when.
"""

import hashlib
import math

from hookfetch.core.observation import HOOKED_FOR, Standing
from hookfetch.core.repository import RepositoryId

LONGEST_PAUSE = 3600.0  # a repository that keeps failing is asked at least this often
SHARE = 32  # of the time since the last change, how small a part the interval is
# One that was never seen to change is taken for one that changed a day ago: half an hour.
UNKNOWN = 86400.0
DISTRUSTED_FOR = 7 * 86400.0  # since a hook missed something
HOOKED_LEVELS = 3  # a hooked repository's interval is doubled as many times more


def is_hooked(standing: Standing, now: float) -> bool:
    """Return whether a hook can be relied on: it told of the repository lately, and missed nothing lately.
    One that tells of some branches and never of others misses something ever again."""
    told, missed = standing.told_at, standing.missed_at
    if told is None or now - told > HOOKED_FOR:
        return False
    return missed is None or now - missed > DISTRUSTED_FOR


def next_turn(
    repository: RepositoryId, now: float, standing: Standing, *, least: float, most: float
) -> float:
    """Return the first time after `now` that is the repository's turn.

    Turns are `least` times a power of two apart, and no more than `most`. Where they lie is decided by
    the repository's name, so that requests are spread evenly, and by what is known of it: a restart
    moves none.
    """
    levels = int(math.log2(most / least))
    offset = _place(repository) * least * (1 << levels)
    more = HOOKED_LEVELS if is_hooked(standing, now) else 0
    slot = math.floor((now - offset) / least)
    while offset + slot * least <= now:
        slot += 1
    while True:
        # At a later time the interval may be longer, and only each second of its turns is one still.
        level = min(levels, _level(offset + slot * least, standing, least) + more)
        step = 1 << level
        aligned = -(-slot // step) * step
        if aligned == slot:
            return offset + slot * least
        slot = aligned


def pause(failures: int, least: float, most: float = LONGEST_PAUSE) -> float:
    """Return how long to wait after so many failures in a row (from 1): `least`, doubled each time up to
    `most`, and never less than `least`."""
    return max(least, min(most, least * 2.0 ** min(failures - 1, 32)))


def _level(at: float, standing: Standing, least: float) -> int:
    changed = standing.changed_at
    idle = max(at - standing.seen_at, UNKNOWN) if changed is None else at - changed
    return int(math.log2(max(1.0, idle / SHARE / least)))


def _place(repository: RepositoryId) -> float:
    return int.from_bytes(hashlib.sha256(repository.encode()).digest()[:8]) / 2**64
