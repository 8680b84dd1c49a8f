"""What is asked twice at once runs once, and every asker gets the answer; nobody gets an older one."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from hookfetch.core.codec import dump_event
from hookfetch.core.events import FetchRequested, RequestWithdrawn, SourceRef, TrackRequested
from hookfetch.core.jobs import Job, Reply
from hookfetch.core.ports import Finished, MayBegin, Message, OnTracked, at_once
from hookfetch.worker import Worker
from tests.coordinator.service import NEW, OLD, FakeEngine, Service, element, until, until_rows

NEWER = "3" * 40


def ask(service: Service, kind: type[TrackRequested | FetchRequested], request: str) -> "asyncio.Task[Reply]":
    event = kind(id=request, element="a.bst", reply_to=service.inbox.address)
    return asyncio.create_task(service.ask(event))


def clients(service: Service, count: int) -> "asyncio.Task[None]":
    rows = [(count,)]
    return asyncio.create_task(until_rows(lambda: service.rows("SELECT count(*) FROM job_clients"), rows))


async def test_who_asks_before_the_job_begins_is_answered_by_one_run(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        engine.free.clear()
        asked = [ask(service, TrackRequested, f"t{number}") for number in range(25)]
        asked += [ask(service, FetchRequested, f"f{number}") for number in range(25)]
        await clients(service, 50)
        await service.push("a", "d1")
        engine.free.set()
        replies = await asyncio.gather(*asked)
        assert [reply.outcome for reply in replies] == ["tracked"] * 25 + ["fetched"] * 25
        assert {reply.refs[0].ref for reply in replies} == {NEW}
        assert len(engine.ran) == 1
        await until(lambda: [len(entry.causes) for entry in service.entries] == [51])


async def test_who_asks_to_track_after_the_job_began_gets_a_later_look(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        engine.gate.clear()
        first = ask(service, TrackRequested, "first")
        await until(lambda: len(engine.ran) == 1)
        engine.upstream["a.bst"] = NEWER
        later = [ask(service, TrackRequested, f"later{number}") for number in range(10)]
        await clients(service, 11)
        engine.gate.set()
        assert (await first).refs[0].ref == NEW
        assert {(await each).refs[0].ref for each in later} == {NEWER}
        assert len(engine.ran) == 2


async def test_a_fetch_of_the_same_refs_is_answered_by_the_one_that_runs(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with Service(tmp_path, engine) as service:
        engine.gate.clear()
        asked = [ask(service, FetchRequested, "first")]
        await until(lambda: len(engine.ran) == 1)
        asked += [ask(service, FetchRequested, f"later{number}") for number in range(10)]
        await clients(service, 11)
        engine.gate.set()
        assert {(await each).refs[0].ref for each in asked} == {OLD}
        assert len(engine.ran) == 1


async def test_a_fetch_of_refs_that_a_reload_brought_is_not_answered_by_one_of_older_refs(
    tmp_path: Path,
) -> None:
    engine = FakeEngine()
    async with Service(tmp_path, engine) as service:
        engine.gate.clear()
        first = ask(service, FetchRequested, "first")
        await until(lambda: len(engine.ran) == 1)
        engine.elements = (element("a", NEW), element("b"))
        assert await service.loader.attempt()
        second = ask(service, FetchRequested, "second")
        await clients(service, 2)
        engine.gate.set()
        assert ((await first).refs[0].ref, (await second).refs[0].ref) == (OLD, NEW)
        assert len(engine.ran) == 2


async def test_who_waits_for_an_answer_overtakes_what_is_on_its_way_and_it_runs_once(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW, b=NEW)
    async with Service(tmp_path, engine, slots=1) as service:
        engine.free.clear()
        await service.push("b", "d1")
        await service.push("a", "d2")
        handed_out = "SELECT count(*) FROM jobs WHERE state = 'running'"
        await until_rows(lambda: service.rows(handed_out), [(2,)])
        asked = ask(service, TrackRequested, "r")
        await until_rows(lambda: service.rows("SELECT attempt FROM jobs WHERE priority = 0"), [(2,)])
        engine.free.set()
        assert (await asked).refs[0].ref == NEW
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        assert [(job.element, job.attempt) for job in engine.ran] == [("b.bst", 1), ("a.bst", 2)]
        await until(lambda: len(service.entries) == 2)
        assert [entry.causes for entry in service.entries] == [("d1",), ("d2", "r")]


async def test_what_only_a_client_asked_for_who_left_is_not_begun(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        engine.free.clear()
        asked = ask(service, TrackRequested, "left")
        await until_rows(lambda: service.rows("SELECT state FROM jobs"), [("running",)])
        await leave(service, "left")
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        engine.free.set()
        await until_rows(
            lambda: service.rows("SELECT outcome FROM events WHERE type = 'job_begun'"), [("stale",)]
        )
        assert engine.ran == []
        outcomes = await service.rows("SELECT outcome, reason FROM events WHERE id = 'left'")
        assert outcomes == [("nothing to do", "who asked for it left")]
        asked.cancel()


@pytest.mark.parametrize("why", ["a delivery", "another client", "it has begun"])
async def test_what_is_wanted_still_is_done_when_a_client_leaves(why: str, tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        (engine.gate if why == "it has begun" else engine.free).clear()
        tasks = [ask(service, TrackRequested, "left")]
        await clients(service, 1)
        if why == "a delivery":
            await service.push("a", "d1")
        elif why == "another client":
            tasks.append(ask(service, TrackRequested, "stays"))
            await clients(service, 2)
        else:
            await until(lambda: len(engine.ran) == 1)
        await leave(service, "left")
        engine.free.set()
        engine.gate.set()
        await until(lambda: [entry.changes[0].ref for entry in service.entries] == [NEW])
        assert len(engine.ran) == 1
        assert "left" not in service.replies
        tasks[0].cancel()
        await asyncio.gather(*tasks[1:])


async def leave(service: Service, request: str) -> None:
    event = RequestWithdrawn(id=f"{request}/withdrawn", request_id=request)
    await service.bus.publish_event(service.project, Message(id=event.id, body=dump_event(event)))


class Counting(FakeEngine):
    """An engine that knows how many jobs of one element it ever had at once."""

    most = 0

    async def run(self, job: Job, on_tracked: OnTracked, may_begin: MayBegin = at_once) -> Finished:
        self.now[job.element] += 1
        self.most = max(self.most, self.now[job.element])
        try:
            return await super().run(job, on_tracked, may_begin)
        finally:
            self.now[job.element] -= 1

    now: Counter[str]


async def test_an_element_has_one_running_job_whatever_two_workers_are_free_to_do(tmp_path: Path) -> None:
    engine = Counting()
    engine.now, engine.seconds = Counter(), 0.002
    async with Service(tmp_path, engine) as service:
        other = Worker(service.bus, engine, 4)
        await other.start()
        for number in range(60):
            engine.upstream["a.bst"] = f"{number:040d}"
            await service.push("a" if number % 3 else "b", f"d{number}", f"{number:040d}")
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        await other.stop()
        assert engine.most == 1
        assert len(engine.ran) > 2


class StuckAfterTracking(FakeEngine):
    """An engine in which element `a` never gets from tracking to fetching before `gate` is open."""

    async def run(self, job: Job, on_tracked: OnTracked, may_begin: MayBegin = at_once) -> Finished:
        if job.element != "a.bst":
            return await super().run(job, on_tracked, may_begin)

        async def tracked(refs: tuple[SourceRef, ...], milliseconds: float) -> None:
            await on_tracked(refs, milliseconds)
            await self.held.wait()

        return await super().run(job, tracked, may_begin)

    held: asyncio.Event


async def test_one_element_is_tracked_while_another_fetches(tmp_path: Path) -> None:
    engine = StuckAfterTracking(a=NEW, b=NEW)
    engine.held = asyncio.Event()
    async with Service(tmp_path, engine, slots=2) as service:
        first = ask(service, TrackRequested, "first")
        assert (await first).refs[0].ref == NEW
        await service.push("b", "d1")
        await until(lambda: [entry.element for entry in service.entries] == ["b.bst"])
        engine.held.set()
        await until(lambda: len(service.entries) == 2)
