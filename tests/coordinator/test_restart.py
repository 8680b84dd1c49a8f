"""A start, a restart and a project that does not load lose nothing."""

import asyncio
from pathlib import Path

from hookfetch.core.errors import Permanent
from hookfetch.core.events import TrackRequested
from tests.coordinator.service import NEW, FakeEngine, Service, until


async def test_a_project_that_does_not_load_says_why_and_loads_later(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    engine.load_error = Permanent("project.conf: no such plugin")
    async with Service(tmp_path, engine) as service:
        reply = await service.ask(TrackRequested(id="r", element="a.bst", reply_to=service.inbox.address))
        assert reply.reason == "project.conf: no such plugin"
        engine.load_error = None
        await until(lambda: service.loader.index is not None)
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)


async def test_a_restart_keeps_the_log_its_numbers_and_what_was_open(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        before = service.entries[0]
    engine = FakeEngine(a=NEW, b=NEW)
    async with Service(tmp_path, engine) as service:
        await until(lambda: service.entries == [before])
        engine.gate.clear()
        await service.push("b", "d2")
        await until(lambda: len(engine.ran) == 1)
        await service.coordinator.stop()
        assert service.entries == [before]
    async with Service(tmp_path, FakeEngine(a=NEW, b=NEW)) as service:
        await until(lambda: [entry.number for entry in service.entries] == [1, 2])
        assert service.entries[1].causes == ("d2",)
        assert service.entries[1].log_id == before.log_id


async def test_a_fact_published_while_the_project_loads_after_a_restart_is_not_lost(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine()):
        pass
    engine = FakeEngine(a=NEW)
    engine.load_gate.clear()
    service = Service(tmp_path, engine)
    await service.coordinator.start()
    pushing = asyncio.create_task(service.push("a", "early"))
    await service.worker.start()
    await service.bus.follow(service.on_entry)
    engine.load_gate.set()
    await pushing
    await until(lambda: len(service.entries) == 1)
    await service.__aexit__()
