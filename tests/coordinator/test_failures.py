"""One bad element holds up no other, and nothing is lost with it."""

from pathlib import Path

from hookfetch.core.errors import ElementError, Temporary
from hookfetch.core.events import TrackRequested
from tests.coordinator.service import NEW, FakeEngine, Service, until, until_rows


async def test_an_element_that_fails_is_set_aside_and_holds_up_no_other(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=ElementError("404 Not Found"), b=NEW)) as service:
        await service.push("a", "bad")
        await service.push("b", "good")
        await until(lambda: [entry.element for entry in service.entries] == ["b.bst"])
        await until_rows(
            lambda: service.rows("SELECT failures, reason, set_aside_at IS NOT NULL FROM jobs"),
            [(3, "404 Not Found", 1)],
        )
        assert await service.rows("SELECT outcome FROM events WHERE delivery_id = 'bad'") == [("set aside",)]


async def test_a_client_gets_a_quarantined_element_tracked_at_once(tmp_path: Path) -> None:
    engine = FakeEngine(a=ElementError("404"))
    async with Service(tmp_path, engine) as service:
        await service.push("a", "bad")
        await until_rows(lambda: service.rows("SELECT set_aside_at IS NOT NULL FROM jobs"), [(1,)])
        engine.upstream["a.bst"] = NEW
        request = TrackRequested(id="r", element="a.bst", reply_to=service.inbox.address)
        reply = await service.ask(request)
        assert (reply.outcome, reply.changes[0].ref) == ("tracked", NEW)
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])


async def test_a_worker_that_dies_has_its_job_done_again(tmp_path: Path) -> None:
    engine = FakeEngine(a=Temporary("the worker died"))
    async with Service(tmp_path, engine) as service:
        await service.push("a", "d1")
        await until(lambda: len(engine.ran) == 1)
        engine.upstream["a.bst"] = NEW
        await until(lambda: len(service.entries) == 1)


async def test_a_job_that_always_takes_its_process_down_is_set_aside(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=Temporary("the worker died"))) as service:
        await service.push("a", "d1")
        await until_rows(
            lambda: service.rows("SELECT reason FROM jobs WHERE set_aside_at IS NOT NULL"),
            [("the worker died (3 times in a row)",)],
            within=60.0,
        )


async def test_a_failed_request_is_answered_with_the_reason(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=ElementError("404"))) as service:
        reply = await service.ask(TrackRequested(id="r", element="a.bst", reply_to=service.inbox.address))
        assert (reply.outcome, reply.reason) == ("failed", "404")
