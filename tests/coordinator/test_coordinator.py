"""What comes of pushes and requests: numbered updates, few jobs, answers."""

from pathlib import Path

from hookfetch.core.events import FetchRequested
from tests.coordinator.service import NEW, OLD, FakeEngine, Service, until, until_rows


async def test_a_push_becomes_one_numbered_ref_update_with_its_delivery(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=NEW)) as service:
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        [entry] = service.entries
        assert (entry.number, entry.element, entry.cached, entry.causes) == (1, "a.bst", True, ("d1",))
        assert (entry.changes[0].base, entry.changes[0].previous, entry.changes[0].ref) == (OLD, OLD, NEW)
        await until_rows(lambda: service.rows("SELECT outcome FROM events WHERE id = 'd1#0'"), [("done",)])
        assert [job.element for job in service.engine.ran] == ["a.bst"]


async def test_a_repeated_event_changes_nothing(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=NEW)) as service:
        for _ in range(3):
            await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        assert len(service.engine.ran) == 1


async def test_there_and_back_and_there_again_are_three_updates(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        for number, ref in enumerate((NEW, OLD, NEW), 1):
            engine.upstream["a.bst"] = ref
            await service.push("a", f"d{number}", ref)
            await until(lambda number=number: len(service.entries) == number)  # type: ignore[misc] # mypy: lambda default
        assert [entry.number for entry in service.entries] == [1, 2, 3]
        assert [entry.changes[0].ref for entry in service.entries] == [NEW, OLD, NEW]


async def test_a_push_back_before_the_push_is_done_ends_where_the_upstream_is(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        engine.gate.clear()
        await service.push("a", "there", NEW)
        await until(lambda: len(engine.ran) == 1)
        engine.upstream["a.bst"] = OLD
        await service.push("a", "back", OLD)
        engine.gate.set()
        await until(lambda: len(service.entries) == 2)
        assert [entry.changes[0].ref for entry in service.entries] == [NEW, OLD]


async def test_pushes_while_a_job_runs_become_one_more_job(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        engine.gate.clear()
        await service.push("a", "first", "3" * 40)
        await until(lambda: len(engine.ran) == 1)
        for number in range(20):
            await service.push("a", f"d{number}", f"{number + 10:040d}")
        engine.gate.set()
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        assert len(engine.ran) == 2
        outcomes = await service.rows(
            "SELECT outcome, count(*) FROM events WHERE type = 'branch_pushed' GROUP BY 1"
        )
        assert dict(outcomes) == {"done": 2, "coalesced": 19}


async def test_a_fetch_request_fetches_the_announced_ref_without_tracking(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        reply = await service.ask(FetchRequested(id="r", element="a.bst", reply_to=service.inbox.address))
        assert (reply.outcome, reply.cached, reply.element_key) == ("fetched", True, "key")
        assert (engine.ran[-1].track, engine.ran[-1].refs[0].ref) == (False, NEW)
        assert len(service.entries) == 1
