"""What was proved a short while ago and need not be proved again. In memory, bounded; for one thread."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Leases:
    """Each lasts `seconds`; of more than `most` the oldest goes first."""

    def __init__(
        self, seconds: float, most: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._until: OrderedDict[Hashable, float] = OrderedDict()

    def lasts(self, key: Hashable) -> bool:
        """Return whether what `key` names was proved within the time of a lease."""
        return self._until.get(key, 0.0) > self._clock()

    def grant(self, key: Hashable) -> None:
        """Begin a lease for what was proved just now."""
        self._until[key] = self._clock() + self._seconds
        self._until.move_to_end(key)
        while len(self._until) > self._most:
            self._until.popitem(last=False)

    def end(self, key: Hashable) -> None:
        """End the lease of `key`, if there is one."""
        self._until.pop(key, None)

    def end_all(self) -> None:
        """End every lease."""
        self._until.clear()
