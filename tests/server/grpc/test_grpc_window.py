import asyncio
import random

import pytest

from hookfetch.core.entries import RefUpdated
from hookfetch.server.grpc.cursors import load_cursor
from hookfetch.server.grpc.filters import Filter
from hookfetch.server.grpc.log_window import Compacted, LogWindow
from hookfetch.server.grpc.reader import Reader
from tests.server.grpc.gateway_lab import entry

ALL = Filter(["gnome", "sdk", "new"], [])


def window(max_entries: int = 1000, hold_seconds: float = 30.0) -> LogWindow:
    return LogWindow(
        lambda item: (item.element_key or "").encode(), max_entries=max_entries, hold_seconds=hold_seconds
    )


def drain(reader: Reader) -> list[str]:
    found = []
    while reader.behind:
        taken = reader.take(7)
        if taken is not None:
            found.append(f"{taken.position.log_id}:{taken.position.number}")
    return found


def resume(kept: LogWindow, cursor: str, wanted: Filter = ALL) -> Reader:
    return Reader(kept, wanted, load_cursor(cursor), whole=True)


def gnome(*numbers: int) -> list[str]:
    return [f"log-gnome:{number}" for number in numbers]


async def test_repeats_are_dropped_by_number() -> None:
    kept = window()
    reader = Reader.from_newest(kept, ALL)
    for number in (1, 2, 1, 2, 3, 2):
        kept.add(entry(number))
    assert drain(reader) == gnome(1, 2, 3)


async def test_repeats_are_not_taken_for_a_hole_later() -> None:
    kept = window(hold_seconds=0.01)
    for number in (1, 2, 3, 1, 2):
        kept.add(entry(number))
    await kept.wait(3, asyncio.get_running_loop().time() + 0.1)
    assert drain(resume(kept, "gnome/log-gnome:0")) == gnome(1, 2, 3)
    assert drain(resume(kept, "gnome/log-gnome:3")) == []


async def test_entries_that_overtook_each_other_are_put_in_order() -> None:
    kept = window()
    kept.add(entry(1))
    reader = Reader.from_oldest(kept, ALL)
    for number in (3, 4, 2, 5):
        kept.add(entry(number))
    assert drain(reader) == gnome(1, 2, 3, 4, 5)


async def test_a_hole_that_stays_is_compacted_for_those_before_it_and_no_hindrance_after() -> None:
    kept = window(hold_seconds=0.01)
    kept.add(entry(1))
    before = Reader.from_newest(kept, ALL)
    kept.add(entry(3))
    await kept.wait(1, asyncio.get_running_loop().time() + 10)
    with pytest.raises(Compacted):
        drain(before)
    with pytest.raises(Compacted):
        resume(kept, "gnome/log-gnome:1")
    assert drain(resume(kept, "gnome/log-gnome:2")) == gnome(3)
    assert drain(Reader.from_oldest(kept, ALL)) == gnome(3)
    kept.close()


async def test_a_log_that_is_begun_anew_ends_cursors_of_the_one_before() -> None:
    kept = window()
    kept.add(entry(1, log_id="one"))
    reader = Reader.from_newest(kept, ALL)
    kept.add(entry(1, log_id="two"))
    with pytest.raises(Compacted):
        drain(reader)
    with pytest.raises(Compacted):
        resume(kept, "gnome/one:1")
    kept.add(entry(2, log_id="one"))  # a late one of the old log
    assert drain(Reader.from_oldest(kept, ALL)) == ["two:1"]


async def test_a_reader_behind_an_old_log_goes_by_it_if_it_knows_the_new_one() -> None:
    kept = window()
    kept.add(entry(1, project="sdk"))
    kept.add(entry(1, log_id="one"))
    kept.add(entry(1, log_id="two"))
    kept.add(entry(2, log_id="two"))
    reader = resume(kept, "gnome/two:1,sdk/log-sdk:0")
    assert drain(reader) == ["log-sdk:1", "two:2"]


async def test_a_project_that_the_cursor_does_not_hold_is_read_from_its_first_entry() -> None:
    kept = window()
    kept.add(entry(1))
    cursor = Reader.from_newest(kept, ALL).cursor
    kept.add(entry(1, project="sdk"))
    kept.add(entry(2))
    assert drain(resume(kept, cursor)) == ["log-sdk:1", "log-gnome:2"]


async def test_a_project_that_the_cursor_does_not_hold_and_that_lost_its_first_entry_is_compacted() -> None:
    kept = window()
    kept.add(entry(1))
    live = resume(kept, "gnome/log-gnome:1")
    kept.add(entry(20, project="sdk"))
    with pytest.raises(Compacted):
        resume(kept, "gnome/log-gnome:1")
    with pytest.raises(Compacted):
        drain(live)


async def test_a_cursor_ahead_of_this_gateway_waits_for_what_it_has_seen() -> None:
    kept = window()
    reader = resume(kept, "gnome/log-gnome:3")
    for number in range(1, 6):
        kept.add(entry(number))
    assert drain(reader) == gnome(4, 5)


async def test_the_oldest_entries_go_first_and_cursors_before_them_are_compacted() -> None:
    kept = window(max_entries=3)
    slow = Reader.from_oldest(kept, ALL)
    for number in range(1, 6):
        kept.add(entry(number))
    with pytest.raises(Compacted):
        drain(slow)
    with pytest.raises(Compacted):
        resume(kept, "gnome/log-gnome:1")
    assert drain(resume(kept, "gnome/log-gnome:2")) == gnome(3, 4, 5)
    assert drain(resume(kept, "gnome/log-gnome:5")) == []


async def test_the_window_is_bounded_in_bytes_as_well() -> None:
    kept = LogWindow(lambda item: b"x" * 100, max_bytes=250)
    for number in range(1, 6):
        kept.add(entry(number))
    assert drain(Reader.from_oldest(kept, ALL)) == gnome(4, 5)


async def test_elements_are_listed_in_order_with_their_newest_update_though_it_left_the_window() -> None:
    kept = LogWindow(lambda item: (item.element_key or "").encode(), max_entries=1, max_elements=2)
    kept.add(entry(1, "c.bst"))
    kept.add(entry(2, "b.bst"))
    kept.add(entry(3, "b.bst"))
    kept.add(entry(1, "a.bst", project="sdk"))
    listed = [(item.position.project, item.element, item.wire) for item in kept.elements_after(("", ""))]
    assert listed == [("gnome", "b.bst", b"key-3"), ("sdk", "a.bst", b"key-1")]
    assert [item.element for item in kept.elements_after(("gnome", "b.bst"))] == ["a.bst"]


async def test_a_watcher_that_waits_is_woken_by_an_entry_and_by_the_end() -> None:
    kept = window()
    far = asyncio.get_running_loop().time() + 60
    async with asyncio.timeout(5):
        waiting = asyncio.create_task(kept.wait(0, far))
        await asyncio.sleep(0)
        kept.add(entry(1))
        await waiting
        waiting = asyncio.create_task(kept.wait(1, far))
        await asyncio.sleep(0)
        kept.close()
        await waiting


@pytest.mark.parametrize("seed", range(60))
async def test_however_entries_come_and_a_reader_resumes_it_gets_each_wanted_one_once_in_order(
    seed: int,
) -> None:
    rng = random.Random(seed)
    kept = window()
    wanted = Filter(["gnome", "sdk", "new"], rng.choice([[], ["a*.bst"], ["**.bst"]]))
    logs: dict[str, list[RefUpdated]] = {"gnome": [], "sdk": [], "new": []}
    got: dict[str, list[int]] = {name: [] for name in logs}
    reader = Reader.from_newest(kept, wanted)
    for step in range(200):
        name = rng.choice(["gnome", "sdk"] if step < 100 else ["gnome", "sdk", "new"])
        number = len(logs[name]) + 1
        logs[name].append(entry(number, rng.choice(["a1.bst", "a2.bst", "b.bst", "d/a.bst"]), project=name))
        coming = [logs[name][-1], *rng.choices(logs[name], k=rng.randrange(3))]
        if number > 1 and rng.random() < 0.2:
            coming = [logs[name][-2], *coming]
        for item in coming:
            kept.add(item)
        if rng.random() < 0.3:
            reader = resume(kept, reader.cursor, wanted)
        for _ in range(rng.randrange(4)):
            taken = reader.take(rng.randrange(1, 4))
            if taken is not None:
                got[taken.position.project].append(taken.position.number)
    while reader.behind:
        taken = reader.take(10)
        if taken is not None:
            got[taken.position.project].append(taken.position.number)
    for name, log in logs.items():
        assert got[name] == [item.number for item in log if wanted.matches(name, item.element)]
