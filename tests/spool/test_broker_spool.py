"""The spool on the broker: confirmed before it says so, in order, and back after kills of either side."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import aio_pika
import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.link import broker_address
from hookfetch.bus.rabbitmq.spool import BrokerSpool
from hookfetch.bus.rabbitmq.topology import DEAD, DELIVERIES, declare_shared
from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Busy
from hookfetch.core.ports import Message
from hookfetch.spool.record import decode_deliveries, encode_deliveries, encode_delivery
from tests.bus.recorder import in_the_end
from tests.spool.spooling import ids, incompressible, numbered
from tests.support.broker import PrivateBroker

WITHIN = 30.0  # seconds


def spool_on(url: str, timeout: float = 5.0) -> BrokerSpool:
    return BrokerSpool(broker_address(url), timeout, encode_deliveries, decode_deliveries)


async def empty(url: str) -> None:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        await declare_shared(channel)
        for name in (DELIVERIES, DEAD):
            await (await channel.get_queue(name)).purge()


@pytest.fixture
async def url(amqp_url: str) -> str:
    await empty(amqp_url)
    return amqp_url


@pytest.fixture
async def spool(url: str) -> AsyncIterator[BrokerSpool]:
    spool = spool_on(url)
    await spool.open()
    yield spool
    await spool.close()


async def take_ids(spool: BrokerSpool, count: int) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(WITHIN):
        while len(found) < count:
            found += ids(await spool.take(count - len(found)))
    return found


async def test_deliveries_come_back_whole_and_in_order(spool: BrokerSpool) -> None:
    for number in range(5):
        await spool.append(numbered(number, size=2000))
    assert await take_ids(spool, 5) == [f"hook/{number}" for number in range(5)]
    large = incompressible(7, 25_000_000)
    await spool.append(large)
    async with asyncio.timeout(WITHIN):
        [taken] = await spool.take(9)
    assert taken.delivery == large


async def test_many_at_once_share_messages_and_all_are_there(url: str, spool: BrokerSpool) -> None:
    await asyncio.gather(*(spool.append(numbered(number)) for number in range(500)))
    assert sorted(await take_ids(spool, 500)) == sorted(f"hook/{number}" for number in range(500))
    await spool.close()
    assert await messages(url, DELIVERIES) < 20


async def messages(url: str, queue: str) -> int:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        return (await channel.get_queue(queue)).declaration_result.message_count or 0


async def test_a_message_is_forgotten_once_all_of_it_is_done(url: str, spool: BrokerSpool) -> None:
    await asyncio.gather(*(spool.append(numbered(number)) for number in range(40)))
    taken = []
    async with asyncio.timeout(WITHIN):
        while len(taken) < 40:
            taken += await spool.take(40)
    last = [item for item in taken if item.position[0] == taken[-1].position[0]]
    await spool.done([item for item in taken if item not in last])
    await spool.done(last[1:])
    await spool.close()
    other = spool_on(url)
    await other.open()
    assert sorted(await take_ids(other, len(last))) == sorted(ids(last))
    await other.close()


async def test_a_delivery_that_another_process_put_there_is_taken(url: str, spool: BrokerSpool) -> None:
    bus = RabbitBus(url, confirm_timeout=5.0)
    await bus.publish_delivery(Message(id="replayed", body=encode_delivery(numbered(3))))
    await bus.close()
    assert await take_ids(spool, 1) == ["hook/3"]


async def test_what_is_no_delivery_is_a_dead_letter_and_holds_up_nothing(
    url: str, spool: BrokerSpool
) -> None:
    bus = RabbitBus(url, confirm_timeout=5.0)
    await bus.publish_delivery(Message(id="garbage", body=b"garbage"))
    await spool.append(numbered(1))
    assert await take_ids(spool, 1) == ["hook/1"]
    async with asyncio.timeout(WITHIN):
        while not (letters := await bus.dead_letters()):
            await asyncio.sleep(0.02)
    await bus.close()
    assert [(letter.id, letter.origin, letter.body) for letter in letters] == [
        ("garbage", "delivery", b"garbage")
    ]


async def test_a_closed_spool_is_busy(url: str) -> None:
    spool = spool_on(url)
    for state in ("never opened", "closed"):
        with pytest.raises(Busy, match="closed"):
            await spool.append(numbered(1))
        with pytest.raises(Busy, match="closed"):
            await spool.check()
        if state == "never opened":
            await spool.open()
            await spool.check()
            await spool.close()


_SENDER = """
import asyncio, os, sys
from tests.spool.spooling import numbered
from tests.spool.test_broker_spool import spool_on

async def main():
    spool = spool_on(sys.argv[1])
    await spool.open()
    async def send(number):
        await spool.append(numbered(number))
        os.write(1, f"{number}\\n".encode())
    await asyncio.gather(*(send(number) for number in range(100000)))

asyncio.run(main())
"""


def killed_sender(url: str) -> list[str]:
    """Return the ids that a sender was told are accepted before it was killed in the midst of it."""
    process = subprocess.Popen([sys.executable, "-c", _SENDER, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(3000)]
    finally:
        process.kill()
        process.wait()
    lines += process.stdout.readlines()
    process.stdout.close()
    # Its log goes the same way.
    return [f"hook/{line.strip()}" for line in lines if line.strip().isdigit()]


async def test_a_sender_killed_after_its_confirms_has_lost_nothing(url: str) -> None:
    confirmed = await asyncio.to_thread(killed_sender, url)
    assert len(confirmed) > 2000
    spool = spool_on(url)
    await spool.open()
    found: set[str] = set()
    async with asyncio.timeout(WITHIN):
        while not found >= set(confirmed):
            taken = await spool.take(5000)
            found |= set(ids(taken))
            await spool.done(taken)
    await spool.close()


async def test_a_broker_killed_under_senders_has_every_accepted_delivery(
    breakable_broker: PrivateBroker,
) -> None:
    await in_the_end_empty(breakable_broker.url)
    spool = spool_on(breakable_broker.url, timeout=2.0)
    await spool.open()
    accepted: list[str] = []
    refused = 0

    async def send(start: int) -> None:
        nonlocal refused
        for number in range(start, start + 200):
            await insist(numbered(number))
            accepted.append(f"hook/{number}")

    async def insist(delivery: Delivery) -> None:
        nonlocal refused
        while True:
            try:
                return await spool.append(delivery)
            except Busy:
                refused += 1
                await asyncio.sleep(0.1)

    async with asyncio.timeout(90):
        senders = [asyncio.create_task(send(1000 * sender)) for sender in range(10)]
        while len(accepted) < 300:
            await asyncio.sleep(0.005)
        await asyncio.to_thread(breakable_broker.kill)
        with pytest.raises(Busy):
            await spool.append(numbered(999_999))
        breakable_broker.launch()
        await asyncio.to_thread(breakable_broker.wait_until_ready)
        await asyncio.gather(*senders)
        found: set[str] = set()
        while not found >= set(accepted):
            taken = await spool.take(5000)
            found |= set(ids(taken))
            await spool.done(taken)
    await spool.close()
    assert len(accepted) == 2000
    assert refused


async def in_the_end_empty(url: str) -> None:
    async def declare() -> None:
        bus = RabbitBus(url, confirm_timeout=5.0)
        try:
            await bus.start()
        finally:
            await bus.close()

    await in_the_end(declare)
