"""What the commands about projects, jobs and places print, from a running gateway and coordinator."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

from hookfetch.core.errors import ElementError, Permanent
from tests.coordinator.service import FakeEngine, element, until, until_rows, url
from tests.server.grpc.test_grpc_operations import operated
from tests.support.commands import run


async def hookfetch(server: str, *arguments: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(run, *arguments, "--server", server)
    return done.returncode, done.stdout, done.stderr


async def test_projects_are_listed_described_and_loaded_again(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with operated(tmp_path, engine) as lab:
        listed, told, as_json = await asyncio.gather(
            hookfetch(lab.target, "projects", "list"),
            hookfetch(lab.target, "projects", "describe", "p"),
            hookfetch(lab.target, "projects", "describe", "p", "a*", "--json"),
        )
        assert (listed[0], listed[1]) == (0, "p  2 elements, 2 repositories\n")
        assert [line for line in told[1].splitlines() if line[0] != " "] == ["a.bst", "b.bst"]
        assert f"  0  git_repo  {url('a')}  " in told[1]
        assert json.loads(as_json[1])["name"] == "a.bst"  # and nothing else: it would be another line
        engine.elements = (element("a"),)
        loaded = await hookfetch(lab.target, "projects", "reload", "p")
        assert (loaded[0], loaded[1]) == (0, "loaded: 0 elements added, 0 changed, 1 removed\n")
        engine.load_error = Permanent("project.conf: no such option")
        code, out, err = await hookfetch(lab.target, "projects", "reload", "p")
        assert (code, out) == (1, "")
        assert "hookfetch: project.conf: no such option" in err.splitlines()


async def test_a_fetch_that_takes_its_time_says_how_it_stands_and_a_quick_one_does_not(
    tmp_path: Path,
) -> None:
    engine = FakeEngine()
    async with operated(tmp_path, engine) as lab:
        code, out, err = await hookfetch(lab.target, "fetch", "--project", "p", "b.bst")
        assert (code, out) == (0, "b.bst  in the source cache as key\n")
        assert len(err.splitlines()) == 1
        engine.gate.clear()
        slow = asyncio.create_task(hookfetch(lab.target, "fetch", "--project", "p", "--json", "a.bst"))
        await until(lambda: len(engine.ran) == 2, 30.0)
        await asyncio.sleep(1.2)  # over the second in which nothing is said
        engine.gate.set()
        code, out, err = await slow
        assert code == 0
        assert json.loads(out)["outcome"] == "fetched"
        said = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
        assert said[-1]["state"] == "running"


async def test_a_job_is_watched_to_its_end_which_says_how_it_was(tmp_path: Path) -> None:
    engine = FakeEngine(a=ElementError("no such branch"))
    async with operated(tmp_path, engine) as lab:
        engine.gate.clear()
        await lab.pushed("h/1")
        await until(lambda: len(engine.ran) == 1)
        watching = asyncio.create_task(hookfetch(lab.target, "elements", "watch", "a.bst", "--project", "p"))
        await until_rows(lambda: lab.service.rows("SELECT wants FROM job_clients"), [("watch",)], 30.0)
        engine.gate.set()
        code, out, _ = await watching
        assert code == 1
        assert out.splitlines()[0] == "a.bst  running"
        assert out.splitlines()[-1] == "a.bst  ended, attempt 3: no such branch"
        code, _, err = await hookfetch(lab.target, "elements", "watch", "b.bst", "--project", "p")
        assert (code, "b.bst has no job that waits or runs" in err) == (1, True)


async def test_an_element_is_located(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.elements = (replace(element("a"), keys=("git_repo/source", "element")),)
    async with operated(tmp_path, engine) as lab:
        (code, out, _), (_, as_json, _) = await asyncio.gather(
            hookfetch(lab.target, "elements", "locate", "a.bst", "--project", "p"),
            hookfetch(lab.target, "elements", "locate", "a.bst", "--project", "p", "--json"),
        )
        assert code == 0
        assert out.splitlines()[0] == "element key  element"
        assert "git_repo/source" in out
        assert json.loads(as_json)["sources"][0]["key"] == "git_repo/source"
