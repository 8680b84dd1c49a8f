"""While a process is at work it looks at the upstreams of the jobs that wait for it."""

import asyncio
import dataclasses
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hookfetch.core.errors import ElementError, Temporary, Unwanted
from hookfetch.core.ports import Finished
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.repositories import Repository, create_repository
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.lab import Bench, Lab, ignore, running

DELAY = 0.3  # seconds that each answer takes
NAMES = ("one", "two", "three", "four")


@asynccontextmanager
async def far_away(lab: Lab, cache: SourceCache, folder: Path) -> AsyncIterator[tuple[Bench, "Upstreams"]]:
    """A bench with one process, which has tracked elements of far-away upstreams once."""
    (folder / "far").mkdir()
    async with running(lab, cache.url) as bench:
        with UpstreamServer(folder / "far") as server:
            upstreams = Upstreams(lab, folder / "far", server.url)
            for name in NAMES:
                await bench.run(f"{name}.bst")
        port = int(server.url.rpartition(":")[2])
        with UpstreamServer(folder / "far", port, delay=DELAY):
            yield bench, upstreams


class Upstreams:
    """Repositories and the elements that follow them."""

    def __init__(self, lab: Lab, served: Path, url: str) -> None:
        self.repositories: dict[str, Repository] = {}
        for name in NAMES:
            self.repositories[name] = create_repository(served, name)
            self.repositories[name].commit({"README": name}, "first")
            lab.element(f"{name}.bst", {"kind": "git_repo", "url": f"{url}/{name}.git", "track": "main"})

    def move(self, text: str) -> dict[str, str]:
        """Give each a new commit; return them."""
        return {name: each.commit({"README": text}, text) for name, each in self.repositories.items()}


async def test_jobs_that_wait_have_their_upstreams_looked_at_meanwhile(
    lab: Lab, source_cache: SourceCache, tmp_path: Path
) -> None:
    async with far_away(lab, source_cache, tmp_path) as (bench, upstreams):
        moved = upstreams.move("second")
        began = time.monotonic()
        done = await asyncio.gather(*(bench.run(f"{name}.bst") for name in NAMES))
        took = time.monotonic() - began
        for name, each in zip(NAMES, done, strict=True):
            assert moved[name] in str(each.refs[0].ref)
            assert each.cached
        # Each costs two answers. One after the other it would be ten of them.
        assert took < 2 * DELAY * len(NAMES)
        assert [each.milliseconds["track"] < 1000 * DELAY for each in done] == [False, True, True, True]


async def test_what_moves_after_a_look_is_for_the_next_job(
    lab: Lab, source_cache: SourceCache, tmp_path: Path
) -> None:
    async with far_away(lab, source_cache, tmp_path) as (bench, upstreams):
        first = upstreams.move("second")
        await asyncio.gather(*(bench.run(f"{name}.bst") for name in NAMES))
        second = upstreams.move("third")
        done = await asyncio.gather(*(bench.run(f"{name}.bst") for name in NAMES))
        assert all(second[name] in str(each.refs[0].ref) for name, each in zip(NAMES, done, strict=True))
        assert first != second


async def test_a_killed_process_costs_the_jobs_that_wait_nothing_but_a_look(
    lab: Lab, source_cache: SourceCache, tmp_path: Path
) -> None:
    async with far_away(lab, source_cache, tmp_path) as (bench, upstreams):
        moved = upstreams.move("second")
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
    lab: Lab, source_cache: SourceCache, tmp_path: Path
) -> None:
    async def no() -> bool:
        return False

    async with far_away(lab, source_cache, tmp_path) as (bench, upstreams):
        first = asyncio.ensure_future(bench.run("one.bst"))
        await asyncio.sleep(0)
        with pytest.raises(Unwanted):
            await bench.engine.run(bench.job("two.bst"), ignore, no)
        assert not first.done()  # it did not wait for its turn
        called_off = asyncio.ensure_future(bench.run("two.bst"))
        await asyncio.sleep(DELAY / 2)
        called_off.cancel()
        await asyncio.wait({called_off, first})
        moved = upstreams.move("second")
        assert moved["two"] in str((await bench.run("two.bst")).refs[0].ref)


async def test_who_asks_in_person_goes_before_jobs_that_were_looked_ahead_for(
    lab: Lab, source_cache: SourceCache, tmp_path: Path
) -> None:
    async with far_away(lab, source_cache, tmp_path) as (bench, upstreams):
        upstreams.move("second")
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
    lab: Lab, source_cache: SourceCache, tmp_path: Path
) -> None:
    async with far_away(lab, source_cache, tmp_path) as (bench, _):
        lab.element("gone.bst", {"kind": "git_repo", "url": "up:gone.git", "track": "main"})
        await bench.run("one.bst")  # loads
        first = asyncio.ensure_future(bench.run("one.bst"))
        await asyncio.sleep(0)
        with pytest.raises(ElementError, match=r"gone\.git"):
            await bench.run("gone.bst")
        await first
