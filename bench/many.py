"""50 changed elements tracked, fetched and pushed: the engine's way, and `bst` three times.

    python -m bench.many [--rounds 3] [--delays 0,50] [--json]

35 git_repo, 5 git, 5 git_tag and 5 tar elements, every upstream moved before each turn. In turn: the engine
with its usual number of processes, all elements asked for at once; the least that they can cost
(`bench.floor_way`), in eight processes; and `bst source track`, `fetch` and `push` of them all. Upstreams on
loopback, each answer held back by `--delays` milliseconds; each way has a project and warm mirrors of its
own, and bst a source cache. The upstreams tell refs without git (`bench.upstreams`), to every way alike.
Stops by itself.
"""

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from bench import floor_way
from bench.upstreams import LightUpstreams
from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Job
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.lab import Lab
from hookfetch.demo.repositories import Repository, create_repository, create_tarball
from hookfetch.engine.pool import in_flight
from hookfetch.engine.supervisor import BuildStreamEngine

COUNTS = {"git_repo": 35, "git": 5, "git_tag": 5, "tar": 5}
PLUGINS = [
    {"origin": "pip", "package-name": "buildstream-plugins-community", "sources": ["git_repo", "git_tag"]},
    {"origin": "pip", "package-name": "buildstream-plugins", "sources": ["git"]},
]
PROJECT = "many"
WITHIN = 300.0  # seconds
STEPS = ("track", "fetch", "push")

Times = dict[str, list[float]]


class Upstreams:
    """The repositories and tarballs, by the element that follows each."""

    def __init__(self, served: Path) -> None:
        self._served = served
        self.repositories: dict[str, Repository] = {}
        self._tarballs: list[str] = []
        for kind, count in COUNTS.items():
            for number in range(count):
                if kind == "tar":
                    self._tarballs.append(f"tar-{number}")
                else:
                    self.repositories[f"{kind}-{number}"] = create_repository(served, f"{kind}-{number}")
        self.move("first")

    def move(self, text: str) -> dict[str, str]:
        """Give each a new state; return what the refs must hold, by element."""
        wanted = {}
        for name, repository in self.repositories.items():
            wanted[name] = repository.commit({"README": f"{name} {text}\n", "src/main.c": "int x;\n"}, text)
        for name in self._tarballs:
            archive = create_tarball(self._served, f"{name}.tar.gz", {"top/README": f"{name} {text}\n"})
            wanted[name] = hashlib.sha256(archive.read_bytes()).hexdigest()
        return wanted


async def measure(options: argparse.Namespace) -> dict[str, Times]:
    """Return the seconds of each round by delay and way."""
    cases = {}
    for delay in options.delays:
        with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
            root = Path(folder)
            served = root / "served"
            served.mkdir()
            upstreams = Upstreams(served)
            lab = Lab(root)  # of which `bst` takes its project and cache
            with LightUpstreams(served, delay=delay / 1000) as server, SourceCache(root / "ours") as cache:
                _write_project(root / "project", server.url, upstreams)
                shutil.copytree(root / "project", root / "engine-project")
                await asyncio.to_thread(lab.cache.start)
                project = ProjectConfig(name=PROJECT, path=root / "engine-project", source_cache=cache.url)
                engine = BuildStreamEngine({PROJECT: project}, root / "state", EngineConfig())
                (root / "floor").mkdir()
                try:
                    await engine.load(PROJECT)
                    with _floor(cache.url, root / "floor") as pool:
                        floor = partial(_run_floor, pool, server.url)
                        cases[f"{delay} ms"] = await _rounds(engine, lab, upstreams, floor, options.rounds)
                finally:
                    await engine.close()
                    await asyncio.to_thread(lab.cache.stop)
    return cases


async def _rounds(
    engine: BuildStreamEngine,
    lab: Lab,
    upstreams: Upstreams,
    floor: Callable[[Mapping[str, str]], Awaitable[float]],
    rounds: int,
) -> Times:
    times: Times = {name: [] for name in ("engine", "bst", *STEPS, "floor")}
    places = asyncio.Semaphore(in_flight(EngineConfig()))  # as a worker takes jobs
    for number in range(-1, rounds):  # the first is the warm-up
        wanted = await asyncio.to_thread(upstreams.move, f"engine {number}")
        begun = time.perf_counter()
        await asyncio.gather(*(_run(engine, places, name, number, ref) for name, ref in wanted.items()))
        took = time.perf_counter() - begun
        least = await floor(await asyncio.to_thread(upstreams.move, f"floor {number}"))
        await asyncio.to_thread(upstreams.move, f"bst {number}")
        steps = {step: await asyncio.to_thread(_bst, lab, step, list(wanted)) for step in STEPS}
        if number >= 0:
            times["engine"].append(took)
            times["floor"].append(least)
            times["bst"].append(sum(steps.values()))
            for step, seconds in steps.items():
                times[step].append(seconds)
    return times


def _floor(cache: str, folder: Path) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(8, spawn, floor_way.begin, (cache.removeprefix("http://"), folder))


async def _run_floor(pool: ProcessPoolExecutor, server: str, wanted: Mapping[str, str]) -> float:
    loop = asyncio.get_running_loop()

    async def one(name: str, ref: str) -> None:
        way, ending = ("tar", "tar.gz") if name.startswith("tar") else ("libgit2", "git")
        found, _ = await loop.run_in_executor(pool, floor_way.run, way, f"{server}/{name}.{ending}")
        assert found == ref

    begun = time.perf_counter()
    await asyncio.gather(*(one(name, ref) for name, ref in wanted.items()))
    return time.perf_counter() - begun


async def _run(
    engine: BuildStreamEngine, places: asyncio.Semaphore, name: str, number: int, wanted: str
) -> None:
    job = Job(id=f"{name} {number}", project=PROJECT, element=f"{name}.bst", epoch=1, track=True)
    async with places:
        done = await engine.run(job, _ignore)
    assert wanted in str(done.refs[0].ref)
    assert done.cached


async def _ignore(refs: tuple[SourceRef, ...], milliseconds: float) -> None:
    pass


def _bst(lab: Lab, step: str, names: list[str]) -> float:
    elements = [f"{name}.bst" for name in names]
    begun = time.perf_counter()
    done = lab.bst("source", step, "--deps", "none", *elements, push=True, timeout=WITHIN)
    if done.returncode:
        raise SystemExit(f"bst source {step}: {done.stderr[-2000:]}")
    return time.perf_counter() - begun


def _write_project(folder: Path, server: str, upstreams: Upstreams) -> None:
    folder.mkdir()
    settings = {"name": PROJECT, "min-version": "2.4", "plugins": PLUGINS}
    (folder / "project.conf").write_text(json.dumps(settings))  # JSON is YAML
    for kind, count in COUNTS.items():
        for number in range(count):
            name = f"{kind}-{number}"
            path = f"{name}.git" if name in upstreams.repositories else f"{name}.tar.gz"
            source: dict[str, Any] = {"kind": kind, "url": f"{server}/{path}"}
            if kind != "tar":
                source["track"] = "main"
            (folder / f"{name}.bst").write_text(json.dumps({"kind": "import", "sources": [source]}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--delays", type=lambda text: [int(part) for part in text.split(",")], default=[0, 50]
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cases = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(cases))
        return
    print(f"{f'{options.rounds} rounds, s':<14}{'':<12}{'median':>8}{'least':>8}{'most':>8}")
    for case, times in cases.items():
        times["times faster"] = [bst / ours for bst, ours in zip(times["bst"], times["engine"], strict=True)]
        for name, values in times.items():
            label = f"bst {name}" if name in STEPS else name
            print(
                f"{case:<14}{label:<12}{statistics.median(values):>8.2f}{min(values):>8.2f}{max(values):>8.2f}"
            )


if __name__ == "__main__":
    main()
