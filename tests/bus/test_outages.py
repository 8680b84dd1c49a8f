"""A broker that is killed, restarted or frozen: nothing confirmed is lost, and nobody hangs."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import aio_pika
import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.topology import LOG, declare_log
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import DeadLetter, Verdict
from tests.bus.conftest import QUICK
from tests.bus.rabbits import empty_shared_queues
from tests.bus.recorder import Activations, Recorder, in_the_end, letter, message, unique, until
from tests.conftest import available
from tests.support.broker import PrivateBroker


@pytest.fixture(scope="module")
def breakable_broker() -> Iterator[PrivateBroker]:
    """One of its own, which ends with these tests: RabbitMQ 3.10 looks for a lost stream for ever, with most
    of a core."""
    with available(PrivateBroker()) as broker:
        yield broker


@pytest.fixture(scope="module")
def broker(breakable_broker: PrivateBroker) -> PrivateBroker:
    """A broker on which everything was declared a while ago: RabbitMQ 3.10 forgets for good where a
    stream is, if it is killed within the first second of that stream's life."""
    asyncio.run(empty_shared_queues(breakable_broker.url))
    time.sleep(2)
    return breakable_broker


@pytest.fixture
async def bus(broker: PrivateBroker) -> AsyncIterator[RabbitBus]:
    bus = RabbitBus(broker.url, confirm_timeout=2.0, backoff=QUICK)
    await in_the_end(bus.start)  # a stream needs a moment after the broker answers
    yield bus
    await bus.close()


async def restart(broker: PrivateBroker) -> None:
    """Start the broker while the event loop goes on."""
    broker.launch()
    await asyncio.to_thread(broker.wait_until_ready)


async def test_a_broker_killed_while_publishing_loses_nothing_that_was_confirmed(
    broker: PrivateBroker, bus: RabbitBus
) -> None:
    project, key, recorder, active = unique("p"), unique("key"), Recorder(), Activations()
    jobs, log, entry = Recorder(), Recorder(), unique("entry")
    await bus.bind(project, frozenset({key}))
    await bus.coordinate(project, recorder, active)
    await bus.work(jobs, 2)
    await bus.follow(log)
    inbox = await bus.inbox(Recorder())
    old_address = inbox.address
    await bus.bury(letter("before"))
    await bus.publish_entry(message(f"{entry}-1"))
    names = [f"{number:03}" for number in range(300)]

    async def publish(part: list[str]) -> None:
        for name in part:
            await in_the_end(partial(bus.publish_event, project, message(name)))

    senders = [asyncio.create_task(publish(names[start::10])) for start in range(10)]
    await until(lambda: len(recorder.ids) > 50)
    await asyncio.to_thread(broker.kill)
    await restart(broker)
    await asyncio.gather(*senders)
    await until(lambda: set(names) <= set(recorder.handled), within=40)
    assert active.count >= 2  # another one may have been active in between

    # Everything else is there again, too: bindings, workers, followers, inboxes, dead letters.
    await bus.publish_fact([key], message("push"))
    await bus.publish_job("p", "background", message("job"))
    await in_the_end(partial(bus.publish_entry, message(f"{entry}-2")))
    await until(lambda: "push" in recorder.handled and "job" in jobs.handled)
    await until(lambda: f"{entry}-2" in log.handled)
    assert [name for name in log.ids if name.startswith(entry)] == [f"{entry}-1", f"{entry}-2"]
    await until(lambda: inbox.address != old_address)
    assert "before" in [item.id for item in await bus.dead_letters()]


async def test_publishing_during_an_outage_is_temporary_in_bounded_time(
    broker: PrivateBroker, bus: RabbitBus
) -> None:
    project = unique("p")
    await bus.publish_event(project, message("before"))
    await asyncio.to_thread(broker.stop)
    began = time.monotonic()
    for publishing in (
        bus.publish_event(project, message("e")),
        bus.publish_fact(["key"], message("f")),
        bus.publish_job("p", "background", message("j")),
        bus.publish_entry(message("l")),
        bus.publish_reply("amq.gen-x", message("r")),
        bus.bury(letter("d")),
        bus.bind(project, frozenset({"key"})),
    ):
        with pytest.raises(Temporary):
            await publishing
    results = await asyncio.gather(
        *(bus.publish_job("p", "background", message(str(n))) for n in range(200)), return_exceptions=True
    )
    assert {type(result) for result in results} == {Temporary}
    assert time.monotonic() - began < 10
    with pytest.raises(Temporary):
        await RabbitBus(broker.url, confirm_timeout=2.0).start()
    await restart(broker)
    await in_the_end(partial(bus.publish_event, project, message("after")))


async def test_a_frozen_broker_is_temporary_in_bounded_time_too(
    broker: PrivateBroker, bus: RabbitBus
) -> None:
    project, recorder = unique("p"), Recorder()
    await bus.publish_event(project, message("before"))
    broker.freeze()
    began = time.monotonic()
    try:
        results = await asyncio.gather(
            *(bus.publish_event(project, message(str(n))) for n in range(50)),
            RabbitBus(broker.url, confirm_timeout=1.0).start(),
            return_exceptions=True,
        )
    finally:
        broker.thaw()
    assert {type(result) for result in results} == {Temporary}
    assert time.monotonic() - began < 5
    await in_the_end(partial(bus.publish_event, project, message("after")))
    await bus.coordinate(project, recorder, Activations())
    await until(lambda: "after" in recorder.handled)


async def test_closing_during_an_outage_ends(broker: PrivateBroker) -> None:
    bus = RabbitBus(broker.url, confirm_timeout=2.0)
    await in_the_end(bus.start)
    await bus.coordinate(unique("p"), Recorder(), Activations())
    await bus.work(Recorder(), 2)
    await bus.follow(Recorder())
    await asyncio.to_thread(broker.kill)
    began = time.monotonic()
    await bus.close()
    assert time.monotonic() - began < 10
    await restart(broker)


async def test_a_log_that_the_broker_lost_says_so_and_is_mended_as_documented(
    broker: PrivateBroker, bus: RabbitBus
) -> None:
    said = ""
    async with asyncio.timeout(90):
        while not said:  # a busy machine kills it too late for the loss
            said = await start_after_young_log_was_killed(broker, bus)
    assert re.search(rf"has {re.escape(LOG)} and cannot reach it.*docs/operating\.md", said)
    operating = (Path(__file__).parents[2] / "docs/operating.md").read_text()
    [command] = re.findall(r"^    rabbitmqctl eval '(.*)'$", operating, re.MULTILINE)
    await asyncio.to_thread(broker.ctl, "eval", command)
    await in_the_end(bus.start)
    await in_the_end(partial(bus.publish_entry, message("new")))


async def start_after_young_log_was_killed(broker: PrivateBroker, bus: RabbitBus) -> str:
    """Kill the broker within the first second of its log's life; return what is said at the next start,
    nothing when the log is there."""
    connection = await aio_pika.connect(broker.url)
    async with connection, connection.channel() as channel:
        await channel.queue_delete(LOG)
        await declare_log(channel)
        broker.kill()
    await restart(broker)
    try:
        await bus.start()
    except Temporary as error:
        return str(error)
    return ""


async def test_letters_that_were_removed_stay_removed_after_a_crash_and_no_other_goes(
    broker: PrivateBroker, bus: RabbitBus
) -> None:
    first = unique("letter")
    names = [f"{first}-{number:02}" for number in range(60)]
    for name in names:
        await bus.bury(letter(name))
    assert [item.id for item in await bus.dead_letters() if item.id in names] == names  # all were held
    removed = {names[40], names[45], names[50]}

    async def judge(item: DeadLetter) -> Verdict:
        return "remove" if item.id in removed else "keep"

    await bus.sift(judge)
    await asyncio.to_thread(broker.kill)
    await restart(broker)
    found: list[str] = []

    async def look() -> None:
        found[:] = [item.id for item in await bus.dead_letters() if item.id in names]

    await in_the_end(look)
    assert sorted(found) == [name for name in names if name not in removed]
