"""Takeovers are tested over both buses."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.core.ports import Bus
from tests.coordinator.machines import Cluster


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.broker)])
async def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cluster]:
    """Machines on either bus, that see within 0.1 s (not 3) that they are active."""
    monkeypatch.setattr("hookfetch.bus.rabbitmq.project._PROBE_EVERY", 0.1)
    buses: list[Bus] = []
    url = request.getfixturevalue("amqp_url") if request.param == "rabbitmq" else None

    async def connect() -> Bus:
        if url is None and buses:
            return buses[0]
        bus: Bus = MemoryBus(tmp_path / "dead") if url is None else RabbitBus(url, confirm_timeout=10.0)
        await bus.start()
        buses.append(bus)
        return bus

    made = Cluster(tmp_path, connect)
    yield made
    for bus in buses:
        await bus.close()
    for machine in made.machines:
        await machine.database.close()
