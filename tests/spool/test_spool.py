"""The spool gives back what it accepted, in order, across restarts, and refuses what does not fit."""

import asyncio
import os
from pathlib import Path

import pytest

from hookfetch.core.errors import Busy, Temporary
from hookfetch.spool import SegmentSpool, append_from_outside
from hookfetch.spool.outside import OUTSIDE_MOST
from tests.spool.spooling import files, ids, incompressible, numbered, segments

MEBIBYTE = 1024 * 1024


async def fill(spool: SegmentSpool, *numbers: int, size: int = 40) -> None:
    for number in numbers:
        await spool.append(numbered(number, size))


async def test_deliveries_are_taken_in_the_order_in_which_they_were_accepted(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await fill(spool, 1, 2, 3)
        assert ids(await spool.take(2)) == ["hook/1", "hook/2"]
        assert ids(await spool.take(2)) == ["hook/3"]


async def test_a_delivery_comes_back_whole(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await spool.append(numbered(7, size=5000))
        [taken] = await spool.take(1)
    assert taken.delivery == numbered(7, size=5000)


async def test_many_at_once_share_commits_and_all_are_there(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await asyncio.gather(*(spool.append(numbered(number)) for number in range(500)))
        taken = await spool.take(1000)
    assert ids(taken) == [f"hook/{number}" for number in range(500)]


async def test_take_waits_for_a_delivery(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        taking = asyncio.create_task(spool.take(5))
        await fill(spool, 1)
        assert ids(await asyncio.wait_for(taking, 5)) == ["hook/1"]


async def test_a_cancelled_take_has_taken_nothing(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await fill(spool, 1)
        for turns in range(6):
            taking = asyncio.create_task(spool.take(1))
            for _ in range(turns):
                await asyncio.sleep(0)
            if not taking.cancel():  # the disk was faster
                assert ids(taking.result()) == ["hook/1"]
                return
            with pytest.raises(asyncio.CancelledError):
                await taking
        assert ids(await spool.take(1)) == ["hook/1"]


async def test_what_was_not_done_comes_again_after_a_restart(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await fill(spool, 1, 2, 3, 4)
        taken = await spool.take(3)
        await spool.done(taken[:1])
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await fill(spool, 5)
        assert ids(await spool.take(9)) == ["hook/2", "hook/3", "hook/4", "hook/5"]


async def test_done_out_of_order_never_skips_what_is_still_on_its_way(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await fill(spool, 1, 2, 3)
        taken = await spool.take(3)
        await spool.done(taken[1:])
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        assert ids(await spool.take(9)) == ["hook/1", "hook/2", "hook/3"]


async def test_of_deliveries_written_together_none_is_lost_when_some_are_done(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await asyncio.gather(*(spool.append(numbered(number)) for number in range(50)))
        taken = await spool.take(30)
        assert ids(taken) == [f"hook/{number}" for number in range(30)]
        await spool.done(taken[::2])
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        again = await spool.take(50)
        done = {spooled.delivery.id for spooled in taken[::2]}
        assert {f"hook/{number}" for number in range(50)} - done <= set(ids(again))
        assert [f"hook/{number}" for number in range(50)][-len(again) :] == ids(again)


async def test_a_spool_in_which_all_is_done_leaves_no_file(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await fill(spool, 1, 2)
        taken = await spool.take(2)
        await spool.done(taken)
        await spool.done(taken)  # a repeat changes nothing
    assert files(tmp_path) == []


async def test_segments_stay_small_and_go_when_they_are_done(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, 40_000) as spool:
        for number in range(1, 40):
            await spool.append(incompressible(number, 1500))
            taken = await spool.take(1)
            assert ids(taken) == [f"hook/{number}"]
            await spool.done(taken)
            assert sum(path.stat().st_size for path in segments(tmp_path)) < 15_000


async def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    accepted = []
    async with SegmentSpool(tmp_path, 20_000) as spool:
        for number in range(100):
            try:
                await spool.append(incompressible(number, 1000))
            except Busy:
                break
            accepted.append(f"hook/{number}")
        assert 10 < len(accepted) < 20
        assert sum(path.stat().st_size for path in segments(tmp_path)) <= 20_000
        with pytest.raises(Busy, match="full"):
            await spool.check()
        taken = await spool.take(100)
        assert ids(taken) == accepted
        await spool.done(taken)
        await spool.check()
        await fill(spool, 7)
        assert ids(await spool.take(1)) == ["hook/7"]


async def test_one_that_does_not_fit_does_not_take_its_group_down(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, 5_000) as spool:
        big = incompressible(0, 6000)
        results = await asyncio.gather(
            spool.append(numbered(1)), spool.append(big), spool.append(numbered(2)), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), Busy, type(None)]
        assert ids(await spool.take(9)) == ["hook/1", "hook/2"]


async def test_a_second_owner_is_refused_until_the_first_has_gone(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE):
        second = SegmentSpool(tmp_path, MEBIBYTE)
        with pytest.raises(Temporary):
            await second.open()
        await second.close()
    async with SegmentSpool(tmp_path, MEBIBYTE) as third:
        await third.check()


async def test_a_closed_spool_refuses(tmp_path: Path) -> None:
    spool = SegmentSpool(tmp_path, MEBIBYTE)
    await spool.open()
    await fill(spool, 1)
    taken = await spool.take(1)
    await spool.close()
    with pytest.raises(Busy):
        await spool.append(numbered(2))
    with pytest.raises(Busy):
        await spool.check()
    with pytest.raises(Temporary):
        await spool.take(1)
    await spool.done(taken)


async def test_closing_finishes_what_is_being_appended(tmp_path: Path) -> None:
    spool = SegmentSpool(tmp_path, MEBIBYTE)
    await spool.open()
    appending = [asyncio.create_task(spool.append(numbered(number))) for number in range(20)]
    await asyncio.sleep(0)
    await spool.close()
    await asyncio.gather(*appending)
    async with SegmentSpool(tmp_path, MEBIBYTE) as again:
        assert len(await again.take(99)) == 20


async def test_a_delivery_from_outside_reaches_a_running_owner(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await fill(spool, 1)
        assert ids(await spool.take(1)) == ["hook/1"]
        append_from_outside(tmp_path, numbered(2), MEBIBYTE)
        taken = await asyncio.wait_for(spool.take(1), 5)
        assert ids(taken) == ["hook/2"]
        await spool.done(taken)
        assert [path.suffix for path in segments(tmp_path)] == [".segment"]


async def test_a_delivery_from_outside_waits_for_an_owner(tmp_path: Path) -> None:
    append_from_outside(tmp_path / "new", numbered(1), MEBIBYTE)
    append_from_outside(tmp_path / "new", numbered(2), MEBIBYTE)
    async with SegmentSpool(tmp_path / "new", MEBIBYTE) as spool:
        assert ids(await spool.take(9)) == ["hook/1", "hook/2"]


def test_too_many_from_outside_are_refused(tmp_path: Path) -> None:
    for number in range(OUTSIDE_MOST):
        os.mknod(tmp_path / f"{number}.sealed")
    with pytest.raises(Busy):
        append_from_outside(tmp_path, numbered(1), MEBIBYTE)


def test_an_outsider_without_a_place_to_write_says_busy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Busy):
        append_from_outside(tmp_path / "file", numbered(1), MEBIBYTE)


async def test_large_and_small_bodies_are_taken_in_bounded_portions(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, 200 * MEBIBYTE) as spool:
        await fill(spool, 1, 2, 3, size=20 * MEBIBYTE)
        assert ids(await spool.take(9)) == ["hook/1", "hook/2"]
        assert ids(await spool.take(9)) == ["hook/3"]


async def test_what_comes_from_outside_leaves_half_of_the_spool_for_the_door(tmp_path: Path) -> None:
    append_from_outside(tmp_path, incompressible(0, MEBIBYTE * 3 // 4), MEBIBYTE)  # large, and alone
    with pytest.raises(Busy, match="no room for hook/1"):
        append_from_outside(tmp_path, numbered(1), MEBIBYTE)
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await fill(spool, 2)
        await spool.done(await spool.take(9))
        append_from_outside(tmp_path, numbered(1), MEBIBYTE)
    with pytest.raises(Busy, match="no room for hook/3"):
        append_from_outside(tmp_path / "new", incompressible(3, MEBIBYTE), MEBIBYTE)
