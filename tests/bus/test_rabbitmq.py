"""What only a broker has: outages, deaths of consumers, and a URL with a password."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator

import aio_pika
import pytest
from structlog.testing import capture_logs

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.topology import bindings_queue, declare_shared, project_queue
from hookfetch.core.errors import ConfigurationError, Permanent, Temporary
from hookfetch.core.ports import Message
from tests.bus.conftest import QUICK
from tests.bus.rabbits import delete_queue, empty_shared_queues
from tests.bus.recorder import Activations, Recorder, letter, message, unique, until, until_letters


@pytest.fixture
async def bus(amqp_url: str) -> AsyncIterator[RabbitBus]:
    await empty_shared_queues(amqp_url)
    bus = RabbitBus(amqp_url, confirm_timeout=10.0, backoff=QUICK)
    await bus.start()
    yield bus
    await bus.close()


async def test_the_outlives_process(bus: RabbitBus) -> None:
    assert bus.outlives_process


async def test_declaring_everything_again_changes_nothing(amqp_url: str, bus: RabbitBus) -> None:
    await bus.start()
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        await declare_shared(channel)
        await declare_shared(channel)


async def test_events_wait_for_a_project_s_first_coordinator(bus: RabbitBus) -> None:
    project, recorder = unique("p"), Recorder()
    await bus.publish_event(project, message("early"))
    await bus.coordinate(project, recorder, Activations())
    await until(lambda: recorder.handled == ["early"])


async def test_bindings_that_an_operator_removed_come_back(amqp_url: str, bus: RabbitBus) -> None:
    project, keys, recorder = unique("p"), frozenset(map(unique, "abc")), Recorder()
    await bus.bind(project, keys)
    await delete_queue(amqp_url, project_queue(project))
    await bus.bind(project, keys)
    await bus.coordinate(project, recorder, Activations())
    await bus.publish_fact(sorted(keys), message("push"))
    await until(lambda: recorder.handled == ["push"])


async def test_one_record_of_the_bindings_remains(amqp_url: str, bus: RabbitBus) -> None:
    project = unique("p")
    for _ in range(3):
        await bus.bind(project, frozenset({unique("key")}))
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue(bindings_queue(project))
        async with asyncio.timeout(10):
            while queue.declaration_result.message_count != 1:
                queue = await channel.get_queue(bindings_queue(project))


async def test_many_bindings_are_made_in_a_short_time(bus: RabbitBus) -> None:
    project, recorder = unique("p"), Recorder()
    keys = [unique("key") for _ in range(450)]
    await bus.bind(project, frozenset(keys))
    await bus.coordinate(project, recorder, Activations())
    for key in (keys[0], keys[200], keys[449]):
        await bus.publish_fact([key], message(key))
    await until(lambda: recorder.handled == [keys[0], keys[200], keys[449]])


async def test_a_coordinator_survives_the_deletion_of_its_queue(amqp_url: str, bus: RabbitBus) -> None:
    project, recorder, active = unique("p"), Recorder(), Activations()
    await bus.publish_event(project, message("1"))
    await bus.coordinate(project, recorder, active)
    await until(lambda: recorder.handled == ["1"])
    await delete_queue(amqp_url, project_queue(project))
    await until(lambda: active.count >= 2)
    await bus.publish_event(project, message("2"))
    await until(lambda: recorder.handled == ["1", "2"])


async def test_an_event_for_a_deleted_queue_is_temporary_and_then_kept(amqp_url: str, bus: RabbitBus) -> None:
    project, recorder = unique("p"), Recorder()
    await bus.publish_event(project, message("lost with its queue"))
    await delete_queue(amqp_url, project_queue(project))
    with pytest.raises(Temporary, match="no queue that takes it"):
        await bus.publish_event(project, message("again"))
    await bus.publish_event(project, message("again"))
    await bus.coordinate(project, recorder, Activations())
    await until(lambda: recorder.handled == ["again"])


async def test_more_letters_than_a_consumer_holds_are_all_seen_once_in_their_order(
    bus: RabbitBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookfetch.bus.rabbitmq.letters._AT_ONCE", 4)
    names = [f"{number:02}" for number in range(30)]
    for name in names:
        await bus.bury(letter(name))
    for _ in range(3):  # they went back as they were
        assert [item.id for item in await bus.dead_letters()] == names
    assert (await bus.exhume("17")) is not None
    assert [item.id for item in await bus.dead_letters()] == [name for name in names if name != "17"]


async def test_a_message_whose_consumers_die_with_it_is_a_dead_letter(amqp_url: str, bus: RabbitBus) -> None:
    project, began = unique("p"), time.time()
    await bus.publish_event(project, message("poison"))
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        for _ in range(21):
            async with connection.channel() as channel:
                given = asyncio.Queue[object]()
                queue = await channel.get_queue(project_queue(project))
                await queue.consume(given.put)
                await asyncio.wait_for(given.get(), 10)
    await until_letters(bus, 1)
    [found] = await bus.dead_letters()
    assert (found.id, found.origin, found.body) == ("poison", f"project:{project}", b"body of poison")
    assert (found.reason, found.attempts) == ("the broker gave it up: delivery limit", 21)
    assert began - 2 < found.failed_at < time.time() + 2
    assert await bus.exhume("poison") == found


async def test_standing_by_leaves_at_most_a_probe_in_the_queue(
    amqp_url: str, bus: RabbitBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookfetch.bus.rabbitmq.project._PROBE_EVERY", 0.02)
    project, slow, standby, end = unique("p"), Recorder(), Activations(), asyncio.Event()

    async def stuck(_: Message) -> None:
        slow.running += 1
        await end.wait()

    await bus.publish_event(project, message("long"))
    await bus.coordinate(project, stuck, Activations())
    await until(lambda: slow.running == 1)
    await bus.coordinate(project, Recorder(), standby)
    await asyncio.sleep(0.3)  # a dozen probes' time
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue(project_queue(project))
        assert queue.declaration_result.message_count in {0, 1}
    assert standby.count == 0
    end.set()


async def test_a_message_id_that_amqp_cannot_carry_is_permanent(bus: RabbitBus) -> None:
    with pytest.raises(Permanent, match="longer than 255 bytes"):
        await bus.publish_job("p", "background", message("x" * 256))
    await bus.publish_job("p", "background", message("x" * 255))


async def test_one_id_published_twice_at_once_is_confirmed_twice(bus: RabbitBus) -> None:
    project, recorder = unique("p"), Recorder()
    await asyncio.gather(*(bus.publish_event(project, message("twice")) for _ in range(2)))
    await bus.coordinate(project, recorder, Activations())
    await until(lambda: recorder.handled == ["twice", "twice"])


@pytest.mark.parametrize(
    "url", ["http://user:s3cret@host/", "amqp://", "user:s3cret@host", "amqp://u:s3cret@h:x/"]
)
def test_what_is_no_broker_s_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"bus\.url") as refused:
        RabbitBus(url, confirm_timeout=1.0)
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))


async def test_no_error_and_no_log_holds_the_password(
    amqp_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    place = amqp_url.rpartition("@")[2].partition("/")[0]
    with capture_logs() as logs:
        for url, error in (
            (f"amqp://guest:s3cret@{place}/", ConfigurationError),
            ("amqp://guest:s3cret@127.0.0.1:9/", Temporary),
            ("amqp://guest:s3cret@host.invalid/", Temporary),
        ):
            bus = RabbitBus(url, confirm_timeout=5.0)
            with pytest.raises(error) as raised:
                await bus.start()
            assert "s3cret" not in "".join(traceback.format_exception(raised.value))
            assert "s3cret" not in repr(bus)
            await bus.close()
    assert "s3cret" not in caplog.text
    assert "s3cret" not in str(logs)
