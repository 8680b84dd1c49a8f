"""Who has a process next: jobs and loads wait here for their turn, urgent ones first, fair between projects
(`core.turns`). A job whose upstream a process has looked at already goes there, if it can be had soon.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from hookfetch.core.turns import Turn, next_project


@dataclass(slots=True, eq=False)
class Place:
    """A place for one process at work: taken by one of a `project`'s at a time."""

    turn: Turn = field(default_factory=Turn)
    project: str | None = None


@dataclass(slots=True, eq=False)
class _Waiter:
    project: str
    urgent: bool
    at: object | None
    arrived: int
    place: asyncio.Future[Place]


class Turns:
    """Places for so many processes at work."""

    def __init__(self, places: int, clock: Callable[[], float]) -> None:
        self._places = [Place() for _ in range(places)]
        self._clock = clock
        self._waiting: list[_Waiter] = []
        self._arrivals = count()
        self._taken: dict[str, float] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def all_taken(self) -> bool:
        """Return whether who wants a place now has to wait."""
        return bool(self._waiting) or all(place.project is not None for place in self._places)

    @property
    def taken(self) -> int:
        """Return how many places are taken."""
        return sum(place.project is not None for place in self._places)

    def arrive(self) -> int:
        """Return the number of who has something else to do before it waits: it goes before those who came
        after it."""
        return next(self._arrivals)

    async def take(
        self, project: str, *, urgent: bool, at: object | None = None, arrived: int | None = None
    ) -> Place:
        """Return a place for `project`, once it is its turn; rather where the process `at` was. Who has not
        `arrived` before does so now. Give it back with `give`."""
        number = self.arrive() if arrived is None else arrived
        waiter = _Waiter(project, urgent, at, number, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        free = [place for place in self._places if place.project is None]
        if free:
            self._hand_out(next((place for place in free if place.turn.project == project), free[0]), None)
        try:
            return await waiter.place
        except asyncio.CancelledError:
            if waiter.place.done() and not waiter.place.cancelled():
                self.give(waiter.place.result(), None)
            else:
                self._waiting.remove(waiter)
            raise

    def give(self, place: Place, process: object | None) -> None:
        """Have whoever is next take `place`; the `process` that was at work there is free, None if it is
        gone."""
        place.project = None
        if self._waiting:
            self._hand_out(place, process)
        elif all(each.project is None for each in self._places):
            self._quiet.set()

    async def quiet(self) -> None:
        """Return once nobody has a place."""
        await self._quiet.wait()

    def _hand_out(self, place: Place, process: object | None) -> None:
        now = self._clock()
        waiting = [waiter for waiter in self._waiting if waiter.urgent] or self._waiting
        busy = Counter(each.project for each in self._places if each.project is not None)
        project = next_project({each.project for each in waiting}, place.turn, busy, self._taken, now)
        chosen = _first([each for each in waiting if each.project == project], process)
        self._waiting.remove(chosen)
        self._taken[project] = now
        place.turn.take(project, now)
        place.project = project
        self._quiet.clear()
        chosen.place.set_result(place)


def _first(waiting: Iterable[_Waiter], process: object | None) -> _Waiter:
    """Return the first who does not wait for another process than this one, else the first."""
    return min(waiting, key=lambda waiter: (waiter.at not in (None, process), waiter.arrived))
