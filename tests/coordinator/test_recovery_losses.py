"""The broker has lost the log: whoever takes over begins another one, since nobody can know any more which
numbers were given out on the one before. One who followed it sees no number with two meanings."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.topology import LOG
from hookfetch.core.entries import LogEntry
from tests.bus.rabbits import delete_queue
from tests.bus.recorder import in_the_end
from tests.coordinator.machines import Cluster, Reader, until

pytestmark = pytest.mark.broker


@pytest.fixture
async def cluster(amqp_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setattr("hookfetch.bus.rabbitmq.project._PROBE_EVERY", 0.1)
    buses: list[RabbitBus] = []

    async def connect() -> RabbitBus:
        buses.append(RabbitBus(amqp_url, confirm_timeout=5.0))
        await in_the_end(buses[-1].start)
        return buses[-1]

    made = Cluster(tmp_path, connect)
    yield made
    for bus in buses:
        await bus.close()
    for machine in made.machines:
        await machine.database.close()


@pytest.fixture
async def gateway(cluster: Cluster, amqp_url: str) -> AsyncIterator[Reader]:
    """Follows the log all the time, as it lives through the loss."""
    bus = RabbitBus(amqp_url, confirm_timeout=2.0)
    await in_the_end(bus.start)
    reader = Reader(cluster.project)
    await bus.follow(reader)
    yield reader
    await bus.close()


def meanings(reader: Reader) -> dict[tuple[str, int], LogEntry]:
    """Return what each number of each log says, having checked that it says one thing."""
    found: dict[tuple[str, int], LogEntry] = {}
    for entry in (replace(entry, epoch=0) for entry in reader.entries):
        assert found.setdefault((entry.log_id, entry.number), entry) == entry
    return found


async def test_the_same_disk_publishes_what_it_has_under_a_new_log_s_name(
    cluster: Cluster, gateway: Reader, amqp_url: str
) -> None:
    one, again = await cluster.machine("one"), await cluster.machine("one")
    await one.activate()
    for ref in ("1", "2"):
        await one.announce("a.bst", ref)
    await until(lambda: len(gateway.entries) == 2)
    await one.leave()
    await delete_queue(amqp_url, LOG)
    await in_the_end(again.bus.start)
    await again.activate()
    assert again.log_id != one.log_id
    assert await again.proposed("a.bst") == {0: "2"}
    await again.announce("a.bst", "3")
    await until(lambda: len(meanings(gateway)) == 5)
    assert [number for log_id, number in meanings(gateway) if log_id == again.log_id] == [1, 2, 3]


async def test_a_disk_that_is_behind_gives_no_number_a_second_meaning(
    cluster: Cluster, gateway: Reader, amqp_url: str
) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.leave()
    await two.activate()
    assert two.log_id == one.log_id
    await two.announce("b.bst", "only the other disk and the log know")
    await until(lambda: len(meanings(gateway)) == 2)
    await two.leave()
    await delete_queue(amqp_url, LOG)  # and the disk of `two` with it
    await in_the_end(one.bus.start)
    await one.activate()
    await one.announce("c.bst", "1")
    await until(lambda: len(meanings(gateway)) == 4)
    assert one.log_id != two.log_id


async def test_without_a_disk_either_nothing_of_the_old_log_is_named_again(
    cluster: Cluster, gateway: Reader, amqp_url: str
) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    await one.announce("a.bst", "1")
    await until(lambda: len(gateway.entries) == 1)
    await one.leave()
    await delete_queue(amqp_url, LOG)
    await in_the_end(two.bus.start)
    await two.activate()
    assert two.log_id != one.log_id
    await two.announce("b.bst", "1")
    await until(lambda: len(meanings(gateway)) == 2)


async def test_a_log_that_is_still_there_keeps_its_name(cluster: Cluster) -> None:
    one, again = await cluster.machine("one"), await cluster.machine("one")
    await one.activate()  # nothing was announced yet: only its mark tells that this is the log
    await one.leave()
    await again.activate()
    assert again.log_id == one.log_id
