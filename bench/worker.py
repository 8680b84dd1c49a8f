"""One worker over gnome-build-meta's 544 elements: a reload after a commit, and its memory over many jobs.

    python -m bench.worker [--reloads 10] [--jobs 1000] [--json]

Each reload comes after one element's ref was changed, and is timed with the making of the index, as a push to
the project costs. Then jobs: each tracks, fetches, pushes and proves one of 20 git_repo elements, after its
upstream has moved. Memory is the worker's resident set (VmRSS) in MB; its storage daemon's is told beside it.
Stops by itself.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.gnome import Gnome, make_gnome, upstream_hosts
from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Job
from hookfetch.core.matching import Index
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from hookfetch.engine.supervisor import BuildStreamEngine

PROJECT = "gnome"
ELEMENTS = 20
SAMPLES = 10  # of the memory, over all jobs


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the seconds of each reload, and the memory in MB by number of jobs done."""
    with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
        root = Path(folder)
        served = root / "served"
        served.mkdir()
        with UpstreamServer(served) as server, SourceCache(root / "cache") as cache:
            gnome = make_gnome(served, root / "project", dict.fromkeys(upstream_hosts(), server.url))
            project = ProjectConfig(name=PROJECT, path=root / "project", source_cache=cache.url)
            config = EngineConfig(processes=1, recycle_after=10 * options.jobs)
            engine = BuildStreamEngine({PROJECT: project}, root / "state", config)
            try:
                elements = len((await engine.load(PROJECT)).elements)
                reloads = [await _reload(engine, gnome, number) for number in range(options.reloads)]
                memory = await _jobs(engine, gnome, options.jobs)
            finally:
                await engine.close()
    return {"elements": elements, "reload_seconds": reloads, "megabytes": memory}


async def _reload(engine: BuildStreamEngine, gnome: Gnome, number: int) -> float:
    name = sorted(gnome.followers)[number % len(gnome.followers)]
    file = gnome.project.path / "elements" / name
    element = json.loads(file.read_text())
    element["sources"][0]["ref"] = f"v0-{number}-g{number:040x}"
    file.write_text(json.dumps(element))
    begun = time.perf_counter()
    loaded = await engine.load(PROJECT)
    Index.of(loaded.elements)
    took = time.perf_counter() - begun
    (changed,) = [each for each in loaded.elements if each.name == name]
    assert any(f"{number:040x}" in str(source.ref) for source in changed.sources)
    return took


async def _jobs(engine: BuildStreamEngine, gnome: Gnome, jobs: int) -> dict[int, tuple[float, float]]:
    """Return, by number of jobs done, the memory of the worker and of its storage daemon."""
    names = sorted(
        name
        for name in gnome.followers
        for sources in [gnome.project.sources[name]]
        if len(sources) == 1 and sources[0].get("track") in ("main", "master")
    )[:ELEMENTS]
    (pid,) = engine.pids
    memory = {0: _memory(pid)}
    for number in range(1, jobs + 1):
        name = names[number % len(names)]
        branch = gnome.project.sources[name][0]["track"]
        commit = await asyncio.to_thread(
            gnome.followers[name].commit, {"README": f"{number}\n"}, "next", branch=branch
        )
        job = Job(id=str(number), project=PROJECT, element=name, epoch=1, track=True)
        done = await engine.run(job, _ignore)
        assert commit in str(done.refs[0].ref)
        assert done.cached
        if number % max(1, jobs // SAMPLES) == 0:
            memory[number] = _memory(pid)
    assert engine.pids == (pid,)
    return memory


async def _ignore(refs: tuple[SourceRef, ...], milliseconds: float) -> None:
    pass


def _memory(pid: int) -> tuple[float, float]:
    daemons = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    casd = [int(child) for child in daemons if "casd" in Path(f"/proc/{child}/comm").read_text()]
    return _resident(pid), sum(map(_resident, casd))


def _resident(pid: int) -> float:
    (line,) = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")
    ]
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reloads", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(found))
        return
    reloads = found["reload_seconds"]
    print(f"{found['elements']} elements            median   least    most")
    print(f"reload, s           {statistics.median(reloads):>8.2f}{min(reloads):>8.2f}{max(reloads):>8.2f}")
    print("jobs done  worker MB  casd MB")
    for jobs, (worker, casd) in found["megabytes"].items():
        print(f"{jobs:>9}{worker:>11.1f}{casd:>9.1f}")


if __name__ == "__main__":
    main()
