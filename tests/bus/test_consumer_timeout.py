"""A broker that takes back what is held too long: `bus.consumer_timeout` keeps jobs below it, and where it
happens all the same, nothing is lost and nothing is done twice for anyone who looks."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hookfetch.bus.rabbitmq.bus import RabbitBus
from tests.bus.conftest import QUICK
from tests.bus.rabbits import empty_shared_queues
from tests.bus.recorder import in_the_end, unique, until
from tests.coordinator.service import NEW, FakeEngine, Service
from tests.support.broker import PrivateBroker

pytestmark = pytest.mark.broker

Logs = list[MutableMapping[str, Any]]


def set_seconds(broker: PrivateBroker, *, consumer_timeout: float, looks_every: float) -> None:
    """Set both for channels that are opened from now on."""
    settings = {"consumer_timeout": consumer_timeout, "channel_tick_interval": looks_every}
    words = (f"application:set_env(rabbit, {name}, {value * 1000:.0f})" for name, value in settings.items())
    broker.ctl("eval", f"{', '.join(words)}.")


@pytest.fixture(scope="module")
def impatient(breakable_broker: PrivateBroker) -> Iterator[PrivateBroker]:
    set_seconds(breakable_broker, consumer_timeout=1, looks_every=0.25)
    yield breakable_broker
    set_seconds(breakable_broker, consumer_timeout=1800, looks_every=60)  # as they are without a setting


@pytest.fixture
async def service(impatient: PrivateBroker, tmp_path: Path) -> AsyncIterator[Service]:
    bus = RabbitBus(impatient.url, confirm_timeout=10.0, backoff=QUICK)
    await in_the_end(bus.start)
    await empty_shared_queues(impatient.url)
    async with Service(tmp_path, FakeEngine(a=NEW, b=NEW), bus=bus, project=unique("p")) as service:
        yield service


def taken_back(logs: Logs, consumer: str) -> Callable[[], bool]:
    """Whether the log says in one line that the broker took back what `consumer` held."""
    return lambda: any(
        line["event"] == "consumer_interrupted" and line["consumer"].startswith(consumer)
        and "timed out" in line["reason"] and "\n" not in line["reason"]
        for line in logs
    )  # fmt: skip


async def all_is_said_once(service: Service, *pushes: str) -> None:
    await until(lambda: len(service.entries) >= len(pushes))
    assert [(entry.number, entry.causes) for entry in service.entries] == [
        (number, (push,)) for number, push in enumerate(pushes, 1)
    ]
    assert await service.rows("SELECT delivery_id, outcome FROM events WHERE type = 'branch_pushed'") == [
        (push, "done") for push in pushes
    ]
    assert await service.rows("SELECT * FROM jobs") == []
    assert await service.bus.dead_letters() == []


async def test_a_job_that_the_broker_took_back_comes_again_and_is_announced_once(service: Service) -> None:
    service.engine.gate.clear()
    with capture_logs() as logs:
        await service.push("a", "long")
        # The same attempt, at another worker's slot, while the first is still at it.
        await until(lambda: len(service.engine.ran) == 2)
        assert len({(job.id, job.epoch, job.attempt) for job in service.engine.ran}) == 1
        service.engine.gate.set()
        await until(taken_back(logs, "hookfetch.jobs"))
    await until(lambda: len(service.entries) == 1)
    await service.push("b", "next")
    await all_is_said_once(service, "long", "next")


async def test_a_coordinator_that_held_an_event_too_long_takes_over_again(
    service: Service, tmp_path: Path
) -> None:
    first = service.coordinator.epoch
    other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    with capture_logs() as logs, contextlib.closing(other):
        other.execute("BEGIN IMMEDIATE")  # a disk that does not answer
        await service.push("a", "held")
        await until(taken_back(logs, "hookfetch.project"))
        other.execute("ROLLBACK")
        await until(lambda: len(service.entries) == 1)
    await service.push("b", "next")
    await all_is_said_once(service, "held", "next")
    assert service.coordinator.epoch > first
