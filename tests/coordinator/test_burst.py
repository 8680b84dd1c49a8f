"""A burst of pushes, through the real coordinator, store, bus and worker, costs few jobs."""

import asyncio
from pathlib import Path

from hookfetch.core.events import TrackRequested
from hookfetch.core.globs import Glob
from hookfetch.core.policy import Policy, PolicyKeys
from tests.coordinator.service import FakeEngine, Service, until, until_rows

PUSHES = 1000


def commit(number: int) -> str:
    return f"{number + 10:040x}"


async def burst(service: Service, engine: FakeEngine, count: int) -> None:
    for number in range(count):
        engine.upstream["a.bst"] = commit(number)
        await service.push("a", f"d{number}", commit(number))


async def test_a_thousand_pushes_cost_few_jobs_and_end_at_the_newest_commit(tmp_path: Path) -> None:
    engine = FakeEngine(a=commit(0))
    engine.seconds = 0.1
    async with Service(tmp_path, engine) as service:
        began = asyncio.get_running_loop().time()
        await burst(service, engine, PUSHES)
        took = asyncio.get_running_loop().time() - began
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        # One running and one waiting at any time, so no more than the time they take allows.
        assert len(engine.ran) <= took / engine.seconds + 2
        # Stored with the job's end, and published a moment later.
        await until(lambda: service.entries[-1].changes[0].ref == commit(PUSHES - 1))
        outcomes = dict(
            await service.rows("SELECT outcome, count(*) FROM events WHERE type = 'branch_pushed' GROUP BY 1")
        )
        assert sum(outcomes.values()) == PUSHES
        assert outcomes["coalesced"] >= PUSHES - len(engine.ran)


async def test_with_a_debounce_a_burst_is_one_job(tmp_path: Path) -> None:
    engine = FakeEngine(a=commit(0))
    policy = Policy(configured=[([Glob("a.bst")], PolicyKeys(debounce=1.0))])
    async with Service(tmp_path, engine, policy) as service:
        await burst(service, engine, 100)
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        assert len(engine.ran) == 1
        await until(lambda: [entry.changes[0].ref for entry in service.entries] == [commit(99)])


async def test_two_background_jobs_keep_the_minimum_interval_and_a_client_does_not_wait(
    tmp_path: Path,
) -> None:
    engine = FakeEngine(a=commit(0))
    policy = Policy(configured=[([Glob("a.bst")], PolicyKeys(minimum_interval=3600.0, debounce=0.01))])
    async with Service(tmp_path, engine, policy) as service:
        await service.push("a", "first", commit(0))
        await until(lambda: len(service.entries) == 1)
        engine.upstream["a.bst"] = commit(1)
        await service.push("a", "second", commit(1))
        await until_rows(
            lambda: service.rows(
                "SELECT state, due_at >= started_at + 3600 FROM jobs JOIN started USING (element)"
            ),
            [("waiting", 1)],
        )
        reply = await service.ask(TrackRequested(id="r", element="a.bst", reply_to=service.inbox.address))
        assert reply.changes[0].ref == commit(1)
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
