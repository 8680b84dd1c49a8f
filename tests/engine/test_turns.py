"""Who has a process next: urgent jobs first, fair between projects, rather the one that looked for them."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from hookfetch.core.turns import TURN
from hookfetch.engine.turns import Place, Turns


@dataclass
class Run:
    """A day at the turns: who had a place, in order."""

    turns: Turns
    had: list[str] = field(default_factory=list)
    now: float = 0.0

    async def one(
        self, name: str, *, urgent: bool = False, at: object | None = None, arrived: int | None = None
    ) -> Place:
        """Take a place for `name`, whose project is its first letter."""
        place = await self.turns.take(name[0], urgent=urgent, at=at, arrived=arrived)
        self.had.append(name)
        return place


def run(places: int = 1) -> Run:
    day = Run(Turns(places, lambda: day.now))
    return day


async def waiting(day: Run, *names: str, **how: object) -> list["asyncio.Task[Place]"]:
    """Have each of `names` wait for a place."""
    tasks = [asyncio.ensure_future(day.one(name, **how)) for name in names]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    return tasks


async def give_on(
    day: Run, place: Place, tasks: Iterable["asyncio.Task[Place]"], process: object | None = None
) -> None:
    """Give the place back until everyone had it."""
    for _ in tasks:
        day.turns.give(place, process)
        await asyncio.sleep(0)


async def test_a_free_place_is_taken_at_once_and_then_in_order() -> None:
    day = run()
    place = await day.one("a1")
    assert day.turns.all_taken
    tasks = await waiting(day, "a2", "a3")
    assert day.had == ["a1"]
    await give_on(day, place, tasks)
    assert day.had == ["a1", "a2", "a3"]


async def test_urgent_ones_go_before_all_others() -> None:
    day = run()
    place = await day.one("a1")
    tasks = await waiting(day, "a2", "b1")
    tasks += await waiting(day, "c1", urgent=True)
    await give_on(day, place, tasks)
    assert day.had[1] == "c1"


async def test_a_process_goes_to_those_who_wait_for_no_other_one_in_their_order() -> None:
    day, mine, other = run(), object(), object()
    place = await day.one("a1")
    tasks = await waiting(day, "a2", at=other)
    tasks += await waiting(day, "a3")
    tasks += await waiting(day, "a4", at=mine)
    await give_on(day, place, tasks, mine)
    assert day.had == ["a1", "a3", "a4", "a2"]


async def test_a_project_that_has_looked_ahead_much_does_not_keep_another_one_out() -> None:
    day, process = run(2), object()
    places = [await day.one("a1"), await day.one("a2")]
    await waiting(day, "a3", "a4", "a5", at=process)
    await waiting(day, "b1")
    day.turns.give(places[0], process)
    await asyncio.sleep(0)
    assert day.had == ["a1", "a2", "b1"]


async def test_with_one_place_projects_take_turns() -> None:
    day = run()
    place = await day.one("a1")
    await waiting(day, "a2", "a3", "b1")
    day.turns.give(place, None)
    await asyncio.sleep(0)
    assert day.had[-1] == "a2"  # its process is warm
    day.now += TURN
    day.turns.give(place, None)
    await asyncio.sleep(0)
    assert day.had[-1] == "b1"


async def test_who_arrived_first_goes_first_however_late_it_begins_to_wait() -> None:
    day = run()
    place = await day.one("a1")
    second, third = day.turns.arrive(), day.turns.arrive()
    tasks = await waiting(day, "a3", arrived=third) + await waiting(day, "a2", arrived=second)
    tasks += await waiting(day, "a4")
    await give_on(day, place, tasks)
    assert day.had == ["a1", "a2", "a3", "a4"]


async def test_who_leaves_while_waiting_is_passed_over() -> None:
    day = run()
    place = await day.one("a1")
    (gone, _) = await waiting(day, "a2", "a3")
    gone.cancel()
    await asyncio.sleep(0)
    day.turns.give(place, None)
    await asyncio.sleep(0)
    assert day.had == ["a1", "a3"]


async def test_who_leaves_just_as_it_is_given_a_place_gives_it_on() -> None:
    day = run()
    place = await day.one("a1")
    (gone, _) = await waiting(day, "a2", "a3")
    day.turns.give(place, None)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await asyncio.sleep(0)
    assert day.had == ["a1", "a3"]


async def test_quiet_is_when_nobody_has_a_place() -> None:
    day = run()
    await asyncio.wait_for(day.turns.quiet(), 1)
    place = await day.one("a1")
    tasks = await waiting(day, "a2")
    quiet = asyncio.ensure_future(day.turns.quiet())
    day.turns.give(place, None)
    await asyncio.sleep(0)
    assert not quiet.done()
    day.turns.give(await tasks[0], None)
    await asyncio.wait_for(quiet, 1)
    assert day.turns.taken == 0
