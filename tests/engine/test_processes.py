"""Workers, their storage daemons and supervisors die; nothing is left behind and the next job works."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.core.errors import Temporary
from hookfetch.demo.cache import SourceCache
from hookfetch.engine.process import Slot
from hookfetch.processes import MARK, end_marked, marked
from tests.engine.lab import Bench, Lab, running

pytestmark = pytest.mark.engine


def tokens(lab: Lab) -> list[str]:
    return [path.read_text() for path in (lab.root / "state/engine").glob("*/*/token")]


def descendants(lab: Lab) -> set[int]:
    return {pid for token in tokens(lab) for pid in marked(token)}


def storage_daemons(pids: set[int]) -> set[int]:
    return {pid for pid in pids if "buildbox-casd" in name(pid)}


def name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended while it was looked at
        return ""


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def living(pids: set[int]) -> set[int]:
    return {pid for pid in pids if _state(pid) not in (None, "Z")}


def _state(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # it ended while it was looked at
        return None


async def until_gone(pids: set[int], within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while living(pids):
        assert time.monotonic() < deadline, f"still there: {living(pids)}"
        await asyncio.sleep(0.02)


@pytest.fixture
def stalling() -> Iterator[str]:
    """The address of an upstream that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def lab_with_stall(lab: Lab, stalling: str) -> Lab:
    lab.repository("glib")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})
    lab.element("stall.bst", {"kind": "git", "url": f"{stalling}/x.git", "track": "main"})
    return lab


async def start_stalling(bench: Bench) -> tuple["asyncio.Task[object]", set[int]]:
    """Start a job that hangs in git's download; return it and the engine's processes."""
    running_job: asyncio.Task[object] = asyncio.ensure_future(bench.run("stall.bst"))
    deadline = time.monotonic() + 15
    while True:
        pids = descendants(bench.lab)
        # A worker asks git a thing or two before it has a storage daemon, too.
        if storage_daemons(living(pids)) and any("git" in name(pid) for pid in living(pids)):
            return running_job, pids
        assert time.monotonic() < deadline
        assert not running_job.done(), running_job
        await asyncio.sleep(0.02)


async def test_a_killed_worker_fails_its_job_takes_all_with_it_and_is_replaced(lab_with_stall: Lab) -> None:
    async with running(lab_with_stall, None) as bench:
        running_job, pids = await start_stalling(bench)
        (worker,) = bench.engine.pids
        assert storage_daemons(pids)
        os.kill(worker, signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(Temporary):
            await running_job
        assert time.monotonic() - began < 3
        assert not living(pids)
        assert (await bench.run("glib.bst")).refs[0].ref is not None
        assert bench.engine.pids != (worker,)
        last = descendants(lab_with_stall)
    assert not living(last)


async def test_a_worker_killed_while_idle_costs_no_job(lab_with_stall: Lab) -> None:
    async with running(lab_with_stall, None) as bench:
        await bench.run("glib.bst")
        pids = descendants(lab_with_stall)
        (worker,) = bench.engine.pids
        os.kill(worker, signal.SIGKILL)
        await until_gone(pids)
        assert (await bench.run("glib.bst")).refs[0].ref is not None


async def test_a_killed_storage_daemon_fails_the_job_and_gets_a_new_worker(
    lab_with_stall: Lab, source_cache: SourceCache
) -> None:
    async with running(lab_with_stall, source_cache.url) as bench:
        await bench.run("glib.bst")
        (worker,) = bench.engine.pids
        pids = descendants(lab_with_stall)
        (daemon,) = storage_daemons(pids)
        os.kill(daemon, signal.SIGKILL)
        lab_with_stall.element("fresh.bst", {"kind": "local", "path": "project.conf"})
        with pytest.raises(Temporary):
            await bench.run("fresh.bst")
        await until_gone(pids)
        assert (await bench.run("fresh.bst")).cached
        assert worker not in bench.engine.pids


async def test_a_job_beyond_its_deadline_is_ended_with_all_it_started(lab_with_stall: Lab) -> None:
    async with running(lab_with_stall, None, deadline=8) as bench:
        running_job, pids = await start_stalling(bench)
        with pytest.raises(Temporary, match="no answer within 8 s"):
            await running_job
        assert not living(pids)
        assert (await bench.run("glib.bst")).refs[0].ref is not None


async def test_a_cancelled_job_is_ended_with_all_it_started_and_leaves_its_mirror_to_the_next(
    lab_with_stall: Lab,
) -> None:
    async with running(lab_with_stall, None) as bench:
        running_job, pids = await start_stalling(bench)
        running_job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running_job
        assert not living(pids)
        again, _ = await start_stalling(bench)  # the one process is free, and so is the mirror
        again.cancel()
        await asyncio.wait({again})
        assert (await bench.run("glib.bst")).refs[0].ref is not None


async def test_a_worker_that_is_leaving_is_killed_when_nobody_waits_for_it_any_more(
    lab_with_stall: Lab,
) -> None:
    async with running(lab_with_stall, None) as bench:
        await bench.engine.load("lab")
        pids = descendants(lab_with_stall)
        ((_, worker),) = bench.engine._pool._idle  # noqa: SLF001  no job can be cancelled at that very moment
        os.kill(worker.pid, signal.SIGSTOP)  # it does not leave by itself
        leaving = asyncio.ensure_future(worker.end(60.0))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert not living(pids)


async def test_a_stalled_upstream_holds_up_no_other_element(lab_with_stall: Lab) -> None:
    async with running(lab_with_stall, None, processes=2) as bench:
        running_job, _ = await start_stalling(bench)
        assert (await bench.run("glib.bst")).refs[0].ref is not None
        assert len(bench.engine.pids) == 2
        assert not running_job.done()
        running_job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running_job
        assert len(bench.engine.pids) == 1


async def test_closing_ends_running_jobs_and_every_process(lab_with_stall: Lab) -> None:
    async with running(lab_with_stall, None) as bench:
        running_job, pids = await start_stalling(bench)
        began = time.monotonic()
        await bench.engine.close()
        assert time.monotonic() - began < 5
        with pytest.raises(Temporary):
            await running_job
        assert not living(pids)
        with pytest.raises(Temporary, match="closed"):
            await bench.run("glib.bst")
    assert not tokens(lab_with_stall)


async def test_a_worker_is_replaced_after_its_number_of_jobs(lab_with_stall: Lab) -> None:
    async with running(lab_with_stall, None, recycle_after=2) as bench:
        await bench.run("glib.bst")
        (first,) = bench.engine.pids
        await bench.run("glib.bst")
        await until_gone({first})
        await bench.run("glib.bst")
        assert first not in bench.engine.pids


SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.engine.supervisor import BuildStreamEngine

async def main():
    project = ProjectConfig(name="lab", path=Path(sys.argv[1]))
    engine = BuildStreamEngine({"lab": project}, Path(sys.argv[2]), EngineConfig(processes=1))
    await engine.load("lab")
    sys.stdout.write("loaded\\n")
    sys.stdout.flush()
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def supervisor(lab_with_stall: Lab) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process with an engine that has loaded the project."""
    arguments = [
        sys.executable,
        "-c",
        SUPERVISOR,
        str(lab_with_stall.project),
        str(lab_with_stall.root / "state"),
    ]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"loaded\n"
        yield process
        process.kill()


async def test_workers_leave_with_their_daemons_when_the_supervisor_is_killed(
    lab_with_stall: Lab, supervisor: "subprocess.Popen[bytes]"
) -> None:
    pids = descendants(lab_with_stall)
    assert storage_daemons(pids)
    supervisor.kill()
    await until_gone(pids)


async def test_what_outlives_supervisor_and_worker_is_ended_at_the_next_start_of_any_project(
    lab_with_stall: Lab, supervisor: "subprocess.Popen[bytes]"
) -> None:
    pids = descendants(lab_with_stall)
    daemons = storage_daemons(pids)
    for pid in pids - daemons:
        os.kill(pid, signal.SIGSTOP)  # or the worker would see its supervisor die, and clean up
    supervisor.kill()
    supervisor.wait()
    for pid in pids - daemons:
        os.kill(pid, signal.SIGKILL)
    await until_gone(pids - daemons)
    assert living(daemons) == daemons
    async with running(lab_with_stall, None, others=("other",)) as bench:
        await bench.engine.load("other")
        assert not living(daemons)


def test_only_processes_with_the_very_mark_are_ended() -> None:
    sleep = ["sleep", "600"]
    with (
        subprocess.Popen(sleep, env={MARK: "abc"}) as mine,
        subprocess.Popen(sleep, env={MARK: "abcd"}) as other,
    ):
        try:
            assert list(marked("abc")) == [mine.pid]
            assert end_marked("abc", within=5)
            assert mine.wait(5) == -signal.SIGKILL
            assert other.poll() is None
        finally:
            mine.kill()
            other.kill()


async def test_a_worker_sees_no_secret_of_the_environment(
    lab_with_stall: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKFETCH_SECRET", "hush")
    async with running(lab_with_stall, None) as bench:
        await bench.run("glib.bst")
        for pid in descendants(lab_with_stall):
            assert b"hush" not in environment(pid)


STAGER = """
import sys, time
from pathlib import Path
from hookfetch.engine import private_api as bst
from hookfetch.engine.private_loading import load_project
from hookfetch.engine.user_configuration import write_user_configuration

with bst.open_context(write_user_configuration(Path(sys.argv[1]), (), 10**9)) as context:
    (element,) = load_project(context, Path(sys.argv[2]), {}, ["**.bst"]).values()
    sources = bst.fresh_sources(element, [None], [None])
    bst.fetch(sources)
    with context.get_cascache().stage_directory(sources.get_files()._get_digest()) as place:
        sys.stdout.write(place + "\\n")
        sys.stdout.flush()
        time.sleep(600)
"""


def test_mounts_of_a_killed_worker_are_taken_away(lab: Lab) -> None:
    lab.element("it.bst", {"kind": "local", "path": "project.conf"})
    slot = Slot.take(lab.root / "slots", 1)
    slot.record("stager")
    arguments = [sys.executable, "-c", STAGER, str(slot.directory), str(lab.project)]
    environment = {**os.environ, MARK: "stager"}
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE) as stager:
        assert stager.stdout is not None
        place = Path(stager.stdout.readline().decode().strip())
        assert (place / "project.conf").is_file()
        stager.kill()
    assert list(marked("stager"))
    slot.release()
    assert not list(marked("stager"))
    assert not place.is_mount()
    assert str(slot.directory) not in Path("/proc/self/mounts").read_text()
