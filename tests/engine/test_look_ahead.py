"""While a process is at work it looks at the upstreams of the jobs that wait for it."""

import asyncio
import dataclasses
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.typedefs import Handler

from hookfetch.config import EngineConfig
from hookfetch.core.errors import ElementError, Temporary, Unwanted
from hookfetch.core.ports import Finished
from hookfetch.demo.repositories import Repository
from hookfetch.demo.upstreams import make_application
from hookfetch.engine.messages import LookAhead
from hookfetch.engine.pool import in_flight
from hookfetch.engine.process import WorkerProcess
from tests.engine.lab import Bench, ignore

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

DELAY = 0.3  # seconds that each answer takes
NAMES = ("one", "two", "three", "four")
MORE = ("five", "six")  # than one process looks ahead for


class Upstreams:
    """Repositories and the elements that follow them, each of which was tracked once. Their server is far
    away from then on."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.delay = 0.0
        self.repositories: dict[str, Repository] = {}

    @web.middleware
    async def far_away(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(self.delay)
        return await handler(request)

    async def follow(self, url: str) -> None:
        lab = self.bench.lab
        for name in NAMES + MORE:
            self.repositories[name] = lab.repository(name)
            address = f"{url}/{lab.folder}/{name}.git"
            lab.element(f"{name}.bst", {"kind": "git_repo", "url": address, "track": "main"})
        for name in NAMES + MORE:
            await self.bench.run(f"{name}.bst")

    def move(self, text: str) -> dict[str, str]:
        """Give each a new commit, which is in no cache yet; return them."""
        files = {"README": f"{text} of {self.bench.lab.folder}"}
        return {name: each.commit(files, text) for name, each in self.repositories.items()}


@pytest_asyncio.fixture(loop_scope="module")
async def far(bench: Bench) -> AsyncIterator[Upstreams]:
    far = Upstreams(bench)
    application = make_application(bench.lab.upstreams.parent)
    application.middlewares.append(far.far_away)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await far.follow(f"http://127.0.0.1:{runner.addresses[0][1]}")
        far.delay = DELAY
        yield far
    finally:
        await runner.cleanup()


async def test_jobs_that_wait_have_their_upstreams_looked_at_meanwhile(bench: Bench, far: Upstreams) -> None:
    moved = far.move("second")
    began = time.monotonic()
    done = await asyncio.gather(*(bench.run(f"{name}.bst") for name in NAMES))
    took = time.monotonic() - began
    for name, each in zip(NAMES, done, strict=True):
        assert moved[name] in str(each.refs[0].ref)
        assert each.cached
    # Each costs two answers. One after the other it would be ten of them.
    assert took < 2 * DELAY * len(NAMES)
    assert [each.milliseconds["track"] < 1000 * DELAY for each in done] == [False, True, True, True]


async def test_the_job_at_work_takes_no_look_from_those_that_wait(
    bench: Bench, far: Upstreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    look_ahead = WorkerProcess.look_ahead

    def noted(worker: WorkerProcess, request: LookAhead) -> None:
        looked.append(request.element.rpartition("/")[2])
        look_ahead(worker, request)

    monkeypatch.setattr(WorkerProcess, "look_ahead", noted)
    moved = far.move("second")
    places = asyncio.Semaphore(in_flight(EngineConfig(processes=1)))  # as a worker takes jobs

    async def run(name: str) -> Finished:
        async with places:
            return await bench.run(f"{name}.bst")

    done = await asyncio.gather(*map(run, NAMES + MORE))
    assert all(moved[name] in str(each.refs[0].ref) for name, each in zip(moved, done, strict=True))
    assert looked == [f"{name}.bst" for name in (NAMES + MORE)[1:]]  # all but the first, which need not wait


async def test_what_moves_after_a_look_is_for_the_next_job(bench: Bench, far: Upstreams) -> None:
    first = far.move("second")
    await asyncio.gather(*(bench.run(f"{name}.bst") for name in NAMES))
    second = far.move("third")
    done = await asyncio.gather(*(bench.run(f"{name}.bst") for name in NAMES))
    assert all(second[name] in str(each.refs[0].ref) for name, each in zip(NAMES, done, strict=True))
    assert first != second


async def test_a_killed_process_costs_the_jobs_that_wait_nothing_but_a_look(
    bench: Bench, far: Upstreams
) -> None:
    moved = far.move("second")
    jobs = [asyncio.ensure_future(bench.run(f"{name}.bst")) for name in NAMES]
    await asyncio.sleep(0)
    (worker,) = bench.engine.pids
    os.kill(worker, signal.SIGKILL)
    first, *others = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(first, Temporary)
    for name, each in zip(NAMES[1:], others, strict=True):
        assert isinstance(each, Finished)
        assert moved[name] in str(each.refs[0].ref)


async def test_a_job_that_may_not_begin_is_not_looked_at_and_one_that_is_called_off_leaves_no_look(
    bench: Bench, far: Upstreams
) -> None:
    async def no() -> bool:
        return False

    first = asyncio.ensure_future(bench.run("one.bst"))
    await asyncio.sleep(0)
    with pytest.raises(Unwanted):
        await bench.engine.run(bench.job("two.bst"), ignore, no)
    assert not first.done()  # it did not wait for its turn
    called_off = asyncio.ensure_future(bench.run("two.bst"))
    await asyncio.sleep(DELAY / 2)
    called_off.cancel()
    await asyncio.wait({called_off, first})
    moved = far.move("second")
    assert moved["two"] in str((await bench.run("two.bst")).refs[0].ref)


async def test_who_asks_in_person_goes_before_jobs_that_were_looked_ahead_for(
    bench: Bench, far: Upstreams
) -> None:
    far.move("second")
    done: list[str] = []

    async def run(name: str, *, urgent: bool = False) -> None:
        job = bench.job(f"{name}.bst")
        if urgent:
            job = dataclasses.replace(job, priority="interactive")
        await bench.engine.run(job, ignore)
        done.append(name)

    jobs = [asyncio.ensure_future(run(name)) for name in NAMES[:3]]
    await asyncio.sleep(0)
    jobs.append(asyncio.ensure_future(run("four", urgent=True)))
    await asyncio.gather(*jobs)
    assert done[:2] == ["one", "four"]


async def test_what_a_look_ahead_could_not_have_is_told_by_the_job_itself(
    bench: Bench, far: Upstreams
) -> None:
    bench.lab.element("gone.bst", {"kind": "git_repo", "url": "up:gone.git", "track": "main"})
    await bench.run("one.bst")  # loads
    first = asyncio.ensure_future(bench.run("one.bst"))
    await asyncio.sleep(0)
    with pytest.raises(ElementError, match=r"gone\.git"):
        await bench.run("gone.bst")
    await first
