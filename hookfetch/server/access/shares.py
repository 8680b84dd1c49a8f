"""How much a caller may ask for over time, and have going on: a share of what is dear. It counts, and never
waits.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_MINUTE, _HOUR = 60.0, 3600.0
_AGAIN_AFTER = 1.0  # seconds until something that is going on may have ended


class UsedUp(Exception):
    """A caller has used up its share; it may come again in `seconds`."""

    def __init__(self, told: str, seconds: float) -> None:
        super().__init__(told)
        self.seconds = seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Most of one caller within any minute and any hour, and at once."""

    per_minute: int = 30
    per_hour: int = 300
    at_once: int = 4


@dataclass(slots=True)
class _Use:
    begun: deque[float] = field(default_factory=deque)  # within the last hour
    running: int = 0


class Shares:
    """Counts the `what` of each caller against one `share`; `clock` is in seconds. A refused one does not
    count. Of a caller it remembers at most `share.per_hour` times, and of one who was not here for an hour
    nothing."""

    def __init__(self, what: str, share: Share, clock: Callable[[], float]) -> None:
        self._what = what
        self._share = share
        self._clock = clock
        self._uses: dict[str, _Use] = {}

    @property
    def known(self) -> frozenset[str]:
        """Return of whom anything is remembered."""
        return frozenset(self._uses)

    def enter(self, caller: str) -> None:
        """Count one that begins, until it `leave`s; UsedUp when it is one too many."""
        now = self._clock()
        self._forget(now)
        use = self._uses.get(caller) or _Use()
        within = [at for at in use.begun if at > now - _MINUTE]
        if use.running >= self._share.at_once:
            raise UsedUp(f"{self._share.at_once} {self._what} of yours are worked on already", _AGAIN_AFTER)
        if len(within) >= self._share.per_minute:
            wait = within[0] + _MINUTE - now if within else _MINUTE
            raise UsedUp(f"{self._share.per_minute} {self._what} a minute are your share", wait)
        if len(use.begun) >= self._share.per_hour:
            wait = use.begun[0] + _HOUR - now if use.begun else _HOUR
            raise UsedUp(f"{self._share.per_hour} {self._what} an hour are your share", wait)
        use.begun.append(now)
        use.running += 1
        self._uses[caller] = use

    def leave(self, caller: str) -> None:
        """Count one that has ended."""
        self._uses[caller].running -= 1

    def _forget(self, now: float) -> None:
        for caller, use in list(self._uses.items()):
            while use.begun and use.begun[0] <= now - _HOUR:
                use.begun.popleft()
            if not use.begun and not use.running:
                del self._uses[caller]
