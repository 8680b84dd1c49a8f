"""Queues at their limit: the broker refuses, nobody loses anything, and all goes on once there is room."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import aio_pika
import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.link import broker_address
from hookfetch.bus.rabbitmq.spool import BrokerSpool
from hookfetch.bus.rabbitmq.topology import DELIVERIES, jobs_queue, project_queue
from hookfetch.core.errors import Temporary
from hookfetch.core.repository import RepositoryId, routing_key
from hookfetch.spool import SegmentSpool
from hookfetch.spool.record import decode_deliveries, encode_deliveries
from tests.bus.conftest import QUICK
from tests.bus.rabbits import empty_shared_queues
from tests.bus.recorder import Activations, Recorder, in_the_end, message, unique, until
from tests.coordinator.service import NEW, FakeEngine, Service, until_rows
from tests.server.doors import door, signed
from tests.server.test_relay import delivery, relaying
from tests.support.broker import PrivateBroker

pytestmark = pytest.mark.broker


@contextmanager
def limited(broker: PrivateBroker, queue: str, length: int) -> Iterator[None]:
    """Let `queue` hold about `length` messages (a quorum queue tells its publishers a moment later)."""
    pattern, limit = f"^{queue.replace('.', '[.]')}$", json.dumps({"max-length": length})
    broker.ctl("set_policy", "--apply-to", "queues", "limit", pattern, limit)
    try:
        yield
    finally:
        broker.ctl("clear_policy", "limit")


@pytest.fixture
async def bus(breakable_broker: PrivateBroker) -> AsyncIterator[RabbitBus]:
    bus = RabbitBus(breakable_broker.url, confirm_timeout=5.0, backoff=QUICK)
    await in_the_end(bus.start)
    await empty_shared_queues(breakable_broker.url)
    yield bus
    await bus.close()


async def until_refused(publish: Callable[[str], Awaitable[None]]) -> int:
    """Publish until the broker refuses; return how many it took."""
    taken = 0

    async def fill() -> None:
        nonlocal taken
        while taken < 1000:
            await publish(f"filling-{taken}")
            taken += 1

    with pytest.raises(Temporary, match="the queue is full"):
        await fill()
    return taken


async def test_a_full_queue_of_deliveries_refuses_at_the_door_until_there_is_room(
    breakable_broker: PrivateBroker, bus: RabbitBus
) -> None:
    address = broker_address(breakable_broker.url)
    spool = BrokerSpool(address, 5.0, encode_deliveries, decode_deliveries)
    await spool.open()
    # The spool is given up to 16 messages at once: what it holds counts, too.
    with limited(breakable_broker, DELIVERIES, 3):
        async with door(spool) as client:
            accepted, sent = [], 0
            while sent < 1000:
                status, answer, headers = await client.post(signed(X_Delivery=f"{sent}"))
                sent += 1
                if status == 503:
                    break
                accepted.append(answer["delivery"])
            assert status == 503
            assert int(headers["Retry-After"]) > 0
            assert (await client.get("/live"))[0] == 200
            found: list[str] = []
            async with asyncio.timeout(20):
                while len(found) < len(accepted):
                    taken = await spool.take(100)
                    found += [item.delivery.id for item in taken]
                    await spool.done(taken)
                assert found == accepted  # and nothing of what was refused
                while (await client.post(signed(X_Delivery="again")))[0] != 202:
                    await asyncio.sleep(0.05)
    await spool.close()


async def test_a_full_project_s_facts_wait_in_the_spool_and_hold_up_no_other_project(
    breakable_broker: PrivateBroker, bus: RabbitBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookfetch.server.relay.MOST_PAUSE", 0.1)
    full, fine, ours, both, theirs = [unique(name) for name in ("full", "fine", "h/a", "h/b", "h/c")]
    keys = {name: routing_key(RepositoryId(name)) for name in (ours, both, theirs)}
    await bus.bind(full, frozenset({keys[ours], keys[both]}))
    await bus.bind(fine, frozenset({keys[theirs], keys[both]}))
    at_fine, at_full = Recorder(), Recorder()
    await bus.coordinate(fine, at_fine, Activations())
    with limited(breakable_broker, project_queue(full), 3):
        filled = await until_refused(lambda name: bus.publish_event(full, message(name)))
        spool = SegmentSpool(tmp_path / "spool", 1024**2)
        async with spool, relaying(spool, bus) as relay:
            # The last one's facts go to both projects by one publish, which counts when all have it.
            for number, name in enumerate((ours, theirs, ours, theirs, both)):
                await spool.append(delivery(str(number), f"{name} main"))
            await until(lambda: {"lines/1#0", "lines/3#0", "lines/4#0"} <= set(at_fine.handled))
            await until(lambda: "the queue is full" in (relay.waits_for or ""))
            await until(lambda: [item.id for item in relay.held()] == ["lines/0", "lines/2", "lines/4"])
            await bus.coordinate(full, at_full, Activations())
            await until(lambda: not relay.held())
            assert relay.waits_for is None
        assert at_full.handled[:filled] == [f"filling-{number}" for number in range(filled)]
        facts = at_full.handled[filled:]
        assert {"lines/0#0", "lines/2#0", "lines/4#0"} == set(facts)
        assert facts.index("lines/0#0") < facts.index("lines/2#0")
    assert not list((tmp_path / "spool").iterdir())


async def test_a_full_queue_of_jobs_leaves_all_of_them_in_the_store(
    breakable_broker: PrivateBroker, bus: RabbitBus, tmp_path: Path
) -> None:
    engine = FakeEngine(a=NEW, b=NEW)
    service = Service(tmp_path, engine, bus=bus, project=unique("p"))
    await service.coordinator.start()
    await until(lambda: service.loader.unhealthy is None)
    with limited(breakable_broker, jobs_queue("background"), 3):
        await until_refused(lambda name: bus.publish_job("p", "background", message(name)))
        await service.push("a", "1")
        await service.push("b", "2")
        # Neither counts as handed out, though once the first of them is refused the second is not tried.
        jobs = "SELECT element, state, reason LIKE '%the queue is full' FROM jobs ORDER BY element"
        await until_rows(partial(service.rows, jobs), [("a.bst", "waiting", 1), ("b.bst", "waiting", 1)])
        connection = await aio_pika.connect(breakable_broker.url)
        async with connection, connection.channel() as channel:
            await (await channel.get_queue(jobs_queue("background"))).purge()
        await bus.follow(service.on_entry)
        await service.worker.start()
        await until(lambda: len(service.entries) == 2)
    await service.worker.stop()
    await service.coordinator.stop()
    assert sorted(entry.element for entry in service.entries) == ["a.bst", "b.bst"]
