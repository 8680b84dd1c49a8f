"""Keep what was used last, up to a total weight. Pure; for one thread."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Recent(Generic[_K, _V]):
    """Values of at most `limit` weight in all; the one not asked for the longest goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._kept: OrderedDict[_K, tuple[_V, int]] = OrderedDict()

    def get(self, key: _K) -> _V | None:
        """Return the value kept under `key`, or None."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[0]

    def put(self, key: _K, value: _V, weight: int = 1) -> None:
        """Keep `value` under a `key` that is not kept yet."""
        self._kept[key] = (value, weight)
        self._weight += weight
        while self._weight > self._limit:
            _, (_, lighter) = self._kept.popitem(last=False)
            self._weight -= lighter

    def __len__(self) -> int:
        return len(self._kept)
