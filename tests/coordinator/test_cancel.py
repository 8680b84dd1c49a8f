"""A person ends jobs that wait or run; what a run says afterwards is stale, and the element is free."""

import asyncio
from pathlib import Path

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.core.errors import ElementError, Temporary
from hookfetch.core.events import TrackRequested
from hookfetch.core.operator_requests import CancelRequested
from hookfetch.core.ports import Message
from tests.coordinator.service import NEW, FakeEngine, Service, until, until_rows

NEWER = "3" * 40
BY = "ipv4:192.0.2.1:5"


async def cancel(service: Service, elements: str, request: str = "c") -> None:
    event = CancelRequested(id=request, elements=elements, by=BY, reply_to=service.inbox.address)
    assert (await service.ask(event)).outcome == "cancelled"


async def test_a_run_that_is_cancelled_ends_and_the_next_push_works(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW, b=NEW)
    async with Service(tmp_path, engine) as service:
        engine.gate.clear()
        await service.push("a", "d1")
        await service.push("b", "d2")
        await until(lambda: len(engine.ran) == 2)
        asked = asyncio.create_task(
            service.ask(TrackRequested(id="t", element="a.bst", reply_to=service.inbox.address))
        )
        await until_rows(lambda: service.rows("SELECT count(*) FROM job_clients"), [(1,)])
        await cancel(service, "a.bst")
        told = await asked
        assert (told.outcome, told.reason) == ("failed", f"cancelled by {BY}")
        await until(lambda: engine.cut_off == 1)
        assert await service.rows("SELECT element FROM jobs") == [("b.bst",)]
        assert (
            await service.rows("SELECT outcome, reason FROM events WHERE id IN ('d1#0', 't')")
            == [("nothing to do", f"cancelled by {BY}")] * 2
        )
        engine.gate.set()
        await service.push("a", "d3")
        await until(lambda: len(service.entries) == 2)
        assert {entry.element: entry.causes for entry in service.entries} == {
            "a.bst": ("d3",),
            "b.bst": ("d2",),
        }
        assert await service.bus.dead_letters() == []
        assert await service.rows("SELECT id FROM events WHERE type = 'job_failed'") == []


async def test_what_is_on_its_way_to_a_worker_does_not_begin_once_cancelled(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine, slots=1) as service:
        engine.gate.clear()
        await service.push("b", "d1")
        await until(lambda: len(engine.ran) == 1)  # on the only slot
        await service.push("a", "d2")
        await until_rows(lambda: service.rows("SELECT count(*) FROM jobs WHERE state = 'running'"), [(2,)])
        await cancel(service, "a.bst")
        engine.gate.set()
        stale = "SELECT outcome FROM events WHERE type = 'job_begun' AND outcome = 'stale'"
        await until_rows(lambda: service.rows(stale), [("stale",)])
        assert [job.element for job in engine.ran] == ["b.bst"]


async def test_a_cancel_forgets_failures_and_a_second_one_finds_nothing(tmp_path: Path) -> None:
    engine = FakeEngine(a=ElementError("404"))
    async with Service(tmp_path, engine) as service:
        await service.push("a", "d1")
        await until_rows(lambda: service.rows("SELECT failures FROM jobs WHERE set_aside_at > 0"), [(3,)])
        await cancel(service, "*")
        assert await service.rows("SELECT * FROM jobs") == []
        again = CancelRequested(id="c2", elements="*", by=BY, reply_to=service.inbox.address)
        assert (await service.ask(again)).outcome == "failed"
        engine.upstream["a.bst"] = NEWER
        await service.push("a", "d2", NEWER)
        await until(lambda: [entry.changes[0].ref for entry in service.entries] == [NEWER])


class Mute(MemoryBus):
    """A bus on which nobody hears what is told to everyone."""

    async def publish_question(self, message: Message) -> None:
        raise Temporary(f"{message.id} is lost")


async def test_a_worker_that_does_not_hear_of_it_works_on_for_nothing(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine, bus=Mute(tmp_path / "dead")) as service:
        engine.gate.clear()
        await service.push("a", "d1")
        await until(lambda: len(engine.ran) == 1)
        await cancel(service, "a.bst")
        engine.gate.set()
        done = "SELECT type, outcome FROM events WHERE type IN ('job_tracked', 'job_done') ORDER BY type"
        await until_rows(lambda: service.rows(done), [("job_done", "stale"), ("job_tracked", "stale")])
        assert (service.entries, engine.cut_off) == ([], 0)
