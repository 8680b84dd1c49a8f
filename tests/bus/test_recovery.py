"""What a coordinator is given to take over by: its mark in the log, what stands before it, and the word
that it is the active one no more."""

import time
from collections.abc import AsyncIterator

import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.topology import project_queue
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import Bus, Message
from tests.bus.rabbits import delete_queue
from tests.bus.recorder import Activations, Recorder, unique, until


@pytest.fixture
async def rabbits(amqp_url: str) -> AsyncIterator[list[RabbitBus]]:
    """Two processes' buses on one broker."""
    buses = [RabbitBus(amqp_url, confirm_timeout=10.0) for _ in range(2)]
    for bus in buses:
        await bus.start()
    yield buses
    for bus in buses:
        await bus.close()


def record(project: str, number: int | str) -> Message:
    return Message(id=f"{project}/{number}", body=b"{}")


async def read(bus: Bus, project: str, mark: str, since: float | None = None) -> list[str]:
    return [found.id async for found in bus.recover(project, record(project, mark), since)]


async def test_a_project_s_records_before_the_mark_come_in_order(bus: Bus) -> None:
    project, active = unique("p"), Activations()
    await bus.coordinate(project, Recorder(), active)
    await until(lambda: active.count == 1)
    for number in range(5):
        await bus.publish_entry(record(project, number))
        await bus.publish_entry(record(f"{project}x", number))
    assert await read(bus, project, "epoch/1") == [f"{project}/{number}" for number in range(5)]
    await bus.publish_entry(record(project, 5))
    # From some time ago on: never less than asked for.
    found = await read(bus, project, "epoch/2", time.time() - 3600.0)
    assert found == [*(f"{project}/{number}" for number in range(5)), f"{project}/epoch/1", f"{project}/5"]


async def test_who_leaves_hears_that_it_is_the_active_one_no_more(bus: Bus) -> None:
    project, active, passive = unique("p"), Activations(), Activations()
    subscription = await bus.coordinate(project, Recorder(), active, passive)
    await until(lambda: active.count == 1)
    assert passive.count == 0
    await subscription.cancel()
    assert passive.count == 1


async def test_only_the_active_consumer_may_mark_the_log(rabbits: list[RabbitBus]) -> None:
    bus, other = rabbits
    project, active, standby = unique("p"), Activations(), Activations()
    await bus.coordinate(project, Recorder(), active)
    await until(lambda: active.count == 1)
    await other.coordinate(project, Recorder(), standby)
    with pytest.raises(Temporary, match="not the active one"):
        await read(other, project, "epoch/1")
    assert await read(bus, project, "epoch/2") == []


async def test_who_loses_its_queue_hears_of_it_and_becomes_active_again(
    rabbits: list[RabbitBus], amqp_url: str
) -> None:
    project, active, passive = unique("p"), Activations(), Activations()
    await rabbits[0].coordinate(project, Recorder(), active, passive)
    await until(lambda: active.count == 1)
    await delete_queue(amqp_url, project_queue(project))
    await until(lambda: active.count == 2)
    assert passive.count == 1
