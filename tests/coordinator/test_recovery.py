"""Takeovers with real stores over a real bus: whatever disk the next coordinator has, it goes on from
what everyone heard.
"""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.core.codec import load_record
from hookfetch.core.entries import EpochBegan
from hookfetch.core.errors import Replaced, Temporary
from hookfetch.store import log, takeover
from hookfetch.store.schema import copy
from tests.coordinator.machines import Cluster, Machine, Reader, until


async def test_the_same_disk_goes_on_counting_and_publishes_what_was_not(cluster: Cluster) -> None:
    one, two = await cluster.machine("disk"), await cluster.machine("disk")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.announce("b.bst", "1", publish=False)
    await one.leave()
    await two.activate()
    assert (two.log_id, two.epoch > one.epoch) == (one.log_id, True)
    await two.publish()
    await two.announce("a.bst", "2")
    await cluster.read(3)
    assert [entry.number for entry in cluster.reader.entries] == [1, 2, 3]
    with pytest.raises(Replaced, match="another coordinator is active"):
        await one.announce("a.bst", "3")
    assert await two.unsure() == set()


async def test_without_a_disk_log_numbers_and_proposals_come_from_the_log(cluster: Cluster) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    for element, ref in (("a.bst", "1"), ("b.bst", "1"), ("a.bst", "2"), ("b.bst", "0")):
        await one.announce(element, ref)
    await one.leave()
    await two.activate()
    assert two.log_id == one.log_id
    assert await two.log() == await one.log()
    assert (await two.proposed("a.bst"), await two.proposed("b.bst")) == ({0: "2"}, {})
    assert await two.unsure() == {("a.bst", 0), ("b.bst", 0)}
    # Only what still differs from the branch is looked at, once the project is loaded.
    assert await two.database.run(lambda db: takeover.look_again(db, 1.0)) == 1
    assert await two.rows("SELECT element, track FROM jobs") == [("a.bst", 1)]
    await two.announce("a.bst", "3")
    await cluster.read(5)


async def test_who_wakes_up_replaced_publishes_into_the_void_and_comes_round(cluster: Cluster) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.leave()  # as the broker sees it: one itself does not know
    await two.activate()
    await one.announce("b.bst", "void", "delivery")
    await one.announce("c.bst", "never published", publish=False)
    await one.alarm("d.bst")
    await two.announce("a.bst", "2")
    await two.leave()
    await one.activate()
    assert await one.log() == [(1, "a.bst", "1"), (2, "a.bst", "2"), (3, "d.bst", "alarm")]
    assert await one.proposed("a.bst") == {0: "2"}
    assert (await one.proposed("b.bst"), await one.proposed("c.bst")) == ({}, {})
    assert await one.unsure() == {("a.bst", 0), ("b.bst", 1), ("c.bst", 1)}
    await one.database.run(lambda db: takeover.look_again(db, 1.0))
    assert ("delivery",) in await one.rows("SELECT cause FROM job_causes")
    await one.publish()
    await one.announce("b.bst", "1")
    await cluster.read(4)
    assert "void" not in {e.changes[0].ref for e in cluster.reader.entries if e.type == "ref_updated"}


async def test_what_nobody_contradicts_is_published_though_another_store_was_active(
    cluster: Cluster,
) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.leave()
    await two.activate()
    await two.leave()
    await one.activate()
    assert await one.log() == [(1, "a.bst", "1")]
    assert await one.unsure() == set()
    await one.announce("a.bst", "2")
    await cluster.read(2)


async def test_a_store_that_was_set_back_learns_what_it_forgot(cluster: Cluster, tmp_path: Path) -> None:
    one = await cluster.machine("one")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.database.run(takeover.restored)  # as the restored copy will say
    (tmp_path / "old").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "one/store.sqlite")) as source:
        copy(source, tmp_path / "old/store.sqlite")
    await one.announce("a.bst", "2")
    await one.announce("b.bst", "1")
    await one.leave()
    old = await cluster.machine("old")
    await old.activate()
    assert old.log_id == one.log_id
    assert await old.log() == await one.log()
    assert await old.proposed("a.bst") == {0: "2"}
    await old.announce("c.bst", "1")
    await cluster.read(4)
    assert await old.rows("SELECT 1 FROM meta WHERE key = 'restored'") == []


async def test_a_takeover_that_breaks_off_is_done_by_the_next(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    for number in range(20):
        await one.announce(f"{number}.bst", "1")
    await one.leave()
    monkeypatch.setattr("hookfetch.coordinator.recovery._BATCH", 3)
    adopt, count = takeover.adopt, 0

    def fail_once(*args: object, **kwargs: object) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise Temporary("the disk is full")
        adopt(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(takeover, "adopt", fail_once)
    await two.activate()
    assert count > 7
    assert await two.log() == await one.log()
    await two.announce("a.bst", "2")
    await cluster.read(21)


async def test_a_new_broker_gets_the_log_again(tmp_path: Path) -> None:
    buses = [MemoryBus(tmp_path / "dead"), MemoryBus(tmp_path / "dead")]
    one = Machine(tmp_path / "disk", buses[0], "p")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.announce("a.bst", "2")
    await one.leave()
    again = Machine(tmp_path / "disk", buses[1], "p")
    await again.activate()
    await again.publish()
    reader = Reader("p")
    subscription = await buses[1].follow(reader)
    await until(lambda: len(reader.entries) == 2)
    reader.check()
    assert again.log_id == one.log_id
    await subscription.cancel()
    for bus in buses:
        await bus.close()
    for machine in (one, again):
        await machine.database.close()


async def test_a_restored_store_whose_log_is_gone_begins_a_new_log(tmp_path: Path) -> None:
    buses = [MemoryBus(tmp_path / "dead"), MemoryBus(tmp_path / "dead")]
    one = Machine(tmp_path / "disk", buses[0], "p")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.leave()
    again = Machine(tmp_path / "disk", buses[1], "p")
    await again.database.open()
    await again.database.run(takeover.restored)
    await again.activate()
    assert again.log_id != one.log_id
    [(_, body)] = await again.database.run(lambda db: log.unpublished(db, 10))
    entry = load_record(body)
    assert not isinstance(entry, EpochBegan)
    assert (entry.log_id, entry.number) == (again.log_id, 1)
    for bus in buses:
        await bus.close()
    for machine in (one, again):
        await machine.database.close()
