"""A pause is in the log beside the entries: whoever takes over knows of it, whatever disk it has."""

import time
from functools import partial
from typing import cast

from hookfetch.coordinator.loader import Loader
from hookfetch.coordinator.outbox import Outbox
from hookfetch.core.questions import Paused
from hookfetch.store import pause
from tests.coordinator.machines import Cluster, Machine

FREEZE = Paused(since=1.0, reason="release freeze", by="me")


async def publish(machine: Machine) -> None:
    """Publish entries and pause by the real outbox, which needs no loaded project for it."""
    outbox = Outbox(
        project=machine.project,
        database=machine.database,
        bus=machine.bus,
        loader=cast("Loader", None),
        clock=time.time,
    )
    outbox.epoch = machine.epoch
    await outbox.publish_entries()


async def order(machine: Machine, paused: Paused | None, *, tell: bool = True) -> None:
    if paused is None:
        await machine.database.run(lambda db: pause.resume(db, 2.0))
    else:
        await machine.database.run(lambda db: pause.pause(db, paused))
    if tell:
        await publish(machine)


async def is_paused(machine: Machine) -> Paused | None:
    return await machine.database.run(pause.paused)


async def test_a_pause_and_its_end_are_known_without_the_disk(cluster: Cluster) -> None:
    one, two, three = [await cluster.machine(disk) for disk in ("one", "two", "three")]
    await one.activate()
    await one.announce("a.bst", "1")
    await order(one, FREEZE)
    await one.announce("a.bst", "2")
    await one.leave()
    await two.activate()
    assert await is_paused(two) == FREEZE
    await order(two, None)
    await two.leave()
    await three.activate()
    assert await is_paused(three) is None
    await three.leave()
    # The first one's disk still says that it is paused, which was true until another one went on.
    await one.activate()
    assert await is_paused(one) is None
    await cluster.read(2)


async def test_an_order_that_was_stored_last_is_not_undone_by_the_one_before(cluster: Cluster) -> None:
    one, again, two = [await cluster.machine(disk) for disk in ("one", "one", "two")]
    await one.activate()
    await order(one, FREEZE)
    await order(one, None, tell=False)  # it dies before the log is told
    await one.leave()
    await again.activate()
    assert await is_paused(again) is None
    await publish(again)
    await again.leave()
    await two.activate()
    assert await is_paused(two) is None


async def test_a_pause_by_one_that_was_replaced_is_void(cluster: Cluster) -> None:
    one, two, three = [await cluster.machine(disk) for disk in ("one", "two", "three")]
    await one.activate()
    await one.leave()  # as the broker sees it: one itself does not know
    await two.activate()
    await order(one, FREEZE)
    await two.leave()
    await three.activate()
    assert await is_paused(three) is None


async def test_each_takeover_tells_it_again_since_the_log_forgets_its_oldest(cluster: Cluster) -> None:
    one = await cluster.machine("one")
    await one.activate()
    await order(one, FREEZE)
    untold = partial(pause.untold, project=one.project, epoch=1)
    assert await one.database.run(untold) is None
    await one.leave()
    await one.activate()
    assert await one.database.run(untold) is not None


async def test_a_pause_of_an_older_hookfetch_is_told(cluster: Cluster) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    await order(one, FREEZE, tell=False)
    await one.database.run(lambda db: db.execute("DELETE FROM meta WHERE key LIKE 'pause\\_%' ESCAPE '\\'"))
    await one.leave()
    await one.activate()
    await publish(one)
    await one.leave()
    await two.activate()
    assert await is_paused(two) == FREEZE


async def test_the_last_of_many_orders_holds_whatever_the_clocks_say(cluster: Cluster) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    await order(one, Paused(since=100.0, reason="by a clock that is ahead", by="me"))
    await one.leave()
    await two.activate()
    await order(two, None)  # at 2.0 by its own clock
    await two.leave()
    await one.activate()
    assert await is_paused(one) is None
