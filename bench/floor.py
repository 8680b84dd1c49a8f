"""One new commit tracked, fetched, pushed and proved by the engine, against the least that can cost.

    python -m bench.floor [--rounds 10] [--large-rounds 5] [--kinds git_repo,git,git_tag,tar] [--delays 0,50]

Upstream and source cache on loopback, each answer of the upstream held back by `--delays` milliseconds; all
in turn, each warm, in a process of its own, with commits of its own. `small` has 5 files, `large` 5,000 of
2 kB. `bench.floor_way` is the floor; of git and libgit2 the one that was faster in the round counts. Stops by
itself. `--json` prints every round.
"""

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench import floor_way
from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Job
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.repositories import Repository, create_repository, create_tarball
from hookfetch.demo.upstreams import UpstreamServer
from hookfetch.engine.supervisor import BuildStreamEngine

KINDS = ("git_repo", "git", "git_tag", "tar")
STEPS = ("track", "fetch", "push", "prove")
PLUGINS = [
    {"origin": "pip", "package-name": "buildstream-plugins-community", "sources": ["git_repo", "git_tag"]},
    {"origin": "pip", "package-name": "buildstream-plugins", "sources": ["git"]},
]
PROJECT = "bench"
FILES = {"small": 5, "large": 5_000}
SIZE = 2_000  # bytes a file
WARM_UP = 2  # rounds of each


class Upstream:
    """One repository or tarball, of which each call of `move` makes a newer state."""

    def __init__(self, served: Path, name: str, kind: str) -> None:
        noise = random.Random(name)
        self._files = {f"d{n % 100}/f{n}": noise.randbytes(SIZE) for n in range(FILES[name])}
        self._name = f"{name}-{kind}"
        self._served = served
        self._repository: Repository | None = None
        if kind != "tar":
            self._repository = create_repository(served, self._name)
            self._repository.commit(self._files, "first")
        else:
            self.move("first")

    @property
    def path(self) -> str:
        """Return its path at the server."""
        return f"{self._name}.tar.gz" if self._repository is None else f"{self._name}.git"

    def move(self, text: str) -> str:
        """Change one file; return what a ref must hold then."""
        if self._repository is not None:
            return self._repository.commit({"d0/changed": text}, "next")
        root = {f"top/{name}": content for name, content in self._files.items()} | {"top/changed": text}
        return hashlib.sha256(create_tarball(self._served, self.path, root).read_bytes()).hexdigest()


async def measure(options: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Return the milliseconds of each round, by case; `engine` is all, seen from outside the process."""
    cases = {}
    for delay in options.delays:
        with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
            root = Path(folder)
            (root / "served").mkdir()
            sizes = {"small": options.rounds, "large": options.large_rounds}
            upstreams = {
                (size, kind): Upstream(root / "served", size, kind)
                for size, rounds in sizes.items()
                for kind in options.kinds
                if rounds
            }
            with UpstreamServer(root / "served", delay=delay / 1000) as server:
                _write_project(root / "project", server.url, upstreams)
                async with _ways(root) as (engine, floor):
                    for (size, kind), upstream in upstreams.items():
                        case = f"{kind} {size} {delay} ms"
                        url = f"{server.url}/{upstream.path}"
                        cases[case] = await _rounds(engine, floor, upstream, url, (size, kind), sizes[size])
    return cases


@asynccontextmanager
async def _ways(root: Path) -> AsyncIterator[tuple[BuildStreamEngine, ProcessPoolExecutor]]:
    with SourceCache(root / "cache") as cache:
        (root / "floor").mkdir()
        target = cache.url.removeprefix("http://")
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, spawn, floor_way.begin, (target, root / "floor")) as floor:
            project = ProjectConfig(name=PROJECT, path=root / "project", source_cache=cache.url)
            engine = BuildStreamEngine({PROJECT: project}, root / "state", EngineConfig(processes=1))
            try:
                await engine.load(PROJECT)
                yield engine, floor
            finally:
                await engine.close()


async def _rounds(
    engine: BuildStreamEngine,
    floor: ProcessPoolExecutor,
    upstream: Upstream,
    url: str,
    case: tuple[str, str],
    rounds: int,
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in ("floor", "engine", *STEPS)}
    loop = asyncio.get_running_loop()
    size, kind = case
    for number in range(-WARM_UP, rounds):
        floors = []
        for way in ("tar",) if kind == "tar" else ("libgit2", "git"):
            wanted = upstream.move(f"{way} {number}")
            found, took = await loop.run_in_executor(floor, floor_way.run, way, url)
            assert found == wanted
            floors.append(took)
        wanted = upstream.move(f"engine {number}")
        element = f"{size}-{kind}.bst"
        job = Job(id=f"{element}{number}", project=PROJECT, element=element, epoch=1, track=True)
        began = time.perf_counter()
        done = await engine.run(job, _ignore)
        took = 1000 * (time.perf_counter() - began)
        assert wanted in str(done.refs[0].ref)
        assert done.cached
        if number < 0:
            continue
        times["floor"].append(min(floors))
        times["engine"].append(took)
        for step in STEPS:
            times[step].append(done.milliseconds.get(step, 0.0))
    return times


async def _ignore(refs: tuple[SourceRef, ...], milliseconds: float) -> None:
    pass


def _write_project(folder: Path, server: str, upstreams: dict[tuple[str, str], Upstream]) -> None:
    folder.mkdir()
    settings = {"name": PROJECT, "min-version": "2.4", "plugins": PLUGINS}
    (folder / "project.conf").write_text(json.dumps(settings))  # JSON is YAML
    for (size, kind), upstream in upstreams.items():
        source: dict[str, Any] = {"kind": kind, "url": f"{server}/{upstream.path}"}
        if kind != "tar":
            source["track"] = "main"
        element = {"kind": "import", "sources": [source]}
        (folder / f"{size}-{kind}.bst").write_text(json.dumps(element))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--large-rounds", type=int, default=5)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=KINDS)
    parser.add_argument(
        "--delays", type=lambda text: [int(part) for part in text.split(",")], default=[0, 50]
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cases = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(cases))
        return
    columns = ("floor", "engine", *STEPS)
    print(f"{'ms, medians':<22}" + "".join(f"{name:>9}" for name in columns) + "    times   least    most")
    for case, times in cases.items():
        ratios = [ours / least for ours, least in zip(times["engine"], times["floor"], strict=True)]
        medians = "".join(f"{statistics.median(times[name]):>9.1f}" for name in columns)
        print(f"{case:<22}{medians}{statistics.median(ratios):>9.2f}{min(ratios):>8.2f}{max(ratios):>8.2f}")


if __name__ == "__main__":
    main()
