"""How much one caller may have going on at once. It counts, and never waits."""

from collections import Counter
from dataclasses import dataclass


class TooMuch(Exception):
    """A caller has as much going on as it may; the text is one line, `what` names the quota."""

    def __init__(self, what: str, most: int) -> None:
        super().__init__(f"{most} {what} of yours are open already: end some, or try again")
        self.what = what


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Most calls of a caller at once, and most of them that ask for work."""

    calls: int
    work: int


class Bounds:
    """Counts the calls of each caller against `quota`; who shows nothing is told apart by address."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._calls = Counter[str]()
        self._work = Counter[str]()

    def enter(self, caller: str, *, work: bool) -> None:
        """Count a call that begins, until it `leave`s; TooMuch when it is one too many."""
        if self._calls[caller] >= self._quota.calls:
            raise TooMuch("calls", self._quota.calls)
        if work and self._work[caller] >= self._quota.work:
            raise TooMuch("calls for work", self._quota.work)
        self._calls[caller] += 1
        self._work[caller] += work

    def leave(self, caller: str, *, work: bool) -> None:
        """Count a call that has ended."""
        self._calls[caller] -= 1
        self._work[caller] -= work
        if not self._calls[caller]:
            del self._calls[caller], self._work[caller]
