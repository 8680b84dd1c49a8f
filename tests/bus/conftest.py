"""Both buses, made alike: what differs between them is in `test_memory` and `test_rabbitmq`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from hookfetch.bus.attempts import Backoff
from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.core.ports import Bus
from tests.bus.rabbits import empty_shared_queues

QUICK = Backoff(first=0.005, most=0.02)

Connect = Callable[[], Awaitable[Bus]]


@pytest.fixture(autouse=True)
def _quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookfetch.bus.rabbitmq.project._PROBE_EVERY", 0.2)  # seconds, not 3


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.broker)])
async def connect(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connect]:
    """Gives the bus as one more process would see it: another connection, or the same memory."""
    made: list[Bus] = []
    url = request.getfixturevalue("amqp_url") if request.param == "rabbitmq" else None
    if url is not None:
        await empty_shared_queues(url)

    async def make() -> Bus:
        if url is None:
            bus: Bus = made[0] if made else MemoryBus(tmp_path / "dead", backoff=QUICK)
        else:
            bus = RabbitBus(url, confirm_timeout=10.0, backoff=QUICK)
        await bus.start()
        made.append(bus)
        return bus

    yield make
    for bus in reversed(made):
        await bus.close()


@pytest.fixture
async def bus(connect: Connect) -> Bus:
    """A started bus."""
    return await connect()
