"""One delivery at two ingresses with a disk each, at once or hours apart, is one event and one job."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.core.delivery import Delivery
from hookfetch.core.ports import Bus, HookOptions
from hookfetch.demo.deliveries import github_push
from hookfetch.forges import configured_forge, load_forges
from hookfetch.server.relay import Relay
from hookfetch.spool.spool import SegmentSpool
from tests.bus.rabbits import empty_shared_queues
from tests.coordinator.service import NEW, OLD, FakeEngine, Service, until, until_rows, url

HOURS = 3600.0
EVENTS = "SELECT count(*) FROM events WHERE type = 'branch_pushed'"


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.broker)])
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Bus:
    if request.param == "memory":
        bus: Bus = MemoryBus(tmp_path / "dead")
    else:
        amqp = request.getfixturevalue("amqp_url")
        await empty_shared_queues(amqp)
        bus = RabbitBus(amqp, confirm_timeout=10.0)
    await bus.start()
    return bus


@asynccontextmanager
async def ingress(disk: Path, bus: Bus) -> AsyncIterator[SegmentSpool]:
    """Give a spool of its own, relayed to the bus all three share."""
    async with SegmentSpool(disk, 64 * 1024 * 1024) as spool:
        relay = Relay(spool, {"hook": configured_forge(load_forges()["github"], HookOptions())}, bus)
        await relay.start()
        try:
            yield spool
        finally:
            await relay.stop()


def delivery(delivery_id: str, before: str, after: str, received_at: float = 1000.0) -> Delivery:
    headers, body = github_push(url("a"), "refs/heads/main", before, after, "secret", delivery_id)
    named = {name.lower(): value for name, value in headers.items()}
    return Delivery(id=f"hook/{delivery_id}", hook="hook", headers=named, body=body, received_at=received_at)


async def test_a_delivery_that_comes_to_both_is_one_job(tmp_path: Path, bus: Bus) -> None:
    engine = FakeEngine(a=NEW)
    name = f"p{uuid.uuid4().hex[:8]}"
    async with (
        Service(tmp_path, engine, bus=bus, project=name) as service,
        ingress(tmp_path / "one", bus) as one,
        ingress(tmp_path / "two", bus) as two,
    ):
        await asyncio.gather(*(spool.append(delivery("both", OLD, NEW)) for spool in (one, two)))
        await until(lambda: len(service.entries) == 1)
        engine.upstream["a.bst"] = OLD  # were a later copy an event, its job would announce this
        for hours in (0.1, 24.0, 72.0):
            await two.append(delivery("both", OLD, NEW, 1000.0 + hours * HOURS))
        await one.append(delivery("last", NEW, NEW))  # after them on this bus, or a second event all the same
        await until_rows(lambda: service.rows(EVENTS), [(2,)])
        await asyncio.gather(
            *(until_rows(lambda: service.rows("SELECT * FROM jobs"), []) for _ in (one, two))
        )
        assert [job.element for job in engine.ran] == ["a.bst"]
        assert [entry.causes for entry in service.entries] == [("hook/both",)]


async def test_there_and_back_and_there_again_through_both_are_three_events(tmp_path: Path, bus: Bus) -> None:
    engine = FakeEngine(a=NEW)
    name = f"p{uuid.uuid4().hex[:8]}"
    async with (
        Service(tmp_path, engine, bus=bus, project=name) as service,
        ingress(tmp_path / "one", bus) as one,
        ingress(tmp_path / "two", bus) as two,
    ):
        for number, (before, after) in enumerate(((OLD, NEW), (NEW, OLD), (OLD, NEW)), 1):
            engine.upstream["a.bst"] = after
            for spool in (one, two):
                await spool.append(delivery(f"d{number}", before, after))
            await until(lambda number=number: len(service.entries) == number)  # type: ignore[misc] # mypy: lambda default
        assert [entry.changes[0].ref for entry in service.entries] == [NEW, OLD, NEW]
        await until_rows(lambda: service.rows(EVENTS), [(3,)])
