"""One new commit tracked, fetched, pushed and proved by the engine: with the shortcut, and BuildStream's way.

    python -m bench.shortcut [--rounds 20] [--large-rounds 5] [--json]

Upstream and both source caches on loopback, the two ways in turn, each with a warm process of its own; each
round changes one file. `small` has 2 files, `large` 5,000 with 100 MB. Stops by itself.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Job
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.repositories import Repository, create_repository
from hookfetch.demo.upstreams import UpstreamServer
from hookfetch.engine.supervisor import BuildStreamEngine

WAYS = {"shortcut": True, "BuildStream": False}
KINDS = ("git_repo", "git")
STEPS = ("track", "fetch", "push", "prove")
PLUGINS = [
    {"origin": "pip", "package-name": "buildstream-plugins-community", "sources": ["git_repo"]},
    {"origin": "pip", "package-name": "buildstream-plugins", "sources": ["git"]},
]
PROJECT = "bench"
FILES, SIZE = 5_000, 20_000  # of the large repository; bytes a file

Times = dict[str, dict[str, list[float]]]  # milliseconds by case and step


async def measure(rounds: int, large_rounds: int) -> dict[str, Times]:
    """Return the milliseconds of each round, by case, way and step."""
    with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
        root = Path(folder)
        upstreams = root / "upstreams"
        upstreams.mkdir()
        small, large = create_repository(upstreams, "small"), create_repository(upstreams, "large")
        small.commit({"README": "small", "src/main.c": "int main(void) { return 0; }\n"}, "first")
        noise = random.Random(1)
        large.commit({f"d{n % 100}/f{n}": noise.randbytes(SIZE) for n in range(FILES)}, "first")
        with UpstreamServer(upstreams) as server:
            _write_project(root / "project", server.url)
            async with _engine(root, "shortcut") as short, _engine(root, "BuildStream") as long:
                engines = {"shortcut": short, "BuildStream": long}
                return {
                    f"{repository.name} {kind}": await _rounds(engines, repository, kind, count)
                    for repository, count in ((small, rounds), (large, large_rounds))
                    for kind in KINDS
                }


@asynccontextmanager
async def _engine(root: Path, way: str) -> AsyncIterator[BuildStreamEngine]:
    with SourceCache(root / f"{way}-cache") as cache:
        project = ProjectConfig(name=PROJECT, path=root / "project", source_cache=cache.url)
        config = EngineConfig(processes=1, shortcut=WAYS[way])
        engine = BuildStreamEngine({PROJECT: project}, root / way, config)
        try:
            await engine.load(PROJECT)
            yield engine
        finally:
            await engine.close()


async def _rounds(
    engines: dict[str, BuildStreamEngine], repository: Repository, kind: str, rounds: int
) -> Times:
    times: Times = {way: {step: [] for step in (*STEPS, "all")} for way in engines}
    for number in range(-2, rounds):  # the first two of each way are the warm-up
        for way, engine in engines.items():
            commit = repository.commit({"d0/changed": f"{kind} {way} {number}"}, "next")
            job = Job(
                id=f"{way}{number}",
                project=PROJECT,
                element=f"{repository.name}-{kind}.bst",
                epoch=1,
                track=True,
            )
            done = await engine.run(job, _ignore)
            assert commit in str(done.refs[0].ref)
            assert done.cached
            if number < 0:
                continue
            for step in STEPS:
                times[way][step].append(done.milliseconds[step])
            times[way]["all"].append(sum(done.milliseconds.values()))
    return times


async def _ignore(refs: tuple[SourceRef, ...], milliseconds: float) -> None:
    pass


def _write_project(folder: Path, server: str) -> None:
    folder.mkdir()
    settings = {"name": PROJECT, "min-version": "2.4", "plugins": PLUGINS}
    (folder / "project.conf").write_text(json.dumps(settings))  # JSON is YAML
    for name in ("small", "large"):
        for kind in KINDS:
            source = {"kind": kind, "url": f"{server}/{name}.git", "track": "main"}
            element = {"kind": "import", "sources": [source]}
            (folder / f"{name}-{kind}.bst").write_text(json.dumps(element))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--large-rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cases = asyncio.run(measure(options.rounds, options.large_rounds))
    if options.json:
        print(json.dumps(cases))
        return
    print(
        f"{'ms, medians':<16}{'way':<12}"
        + "".join(f"{step:>9}" for step in STEPS)
        + "      all   least    most"
    )
    for case, ways in cases.items():
        for way, steps in ways.items():
            medians = "".join(f"{statistics.median(steps[step]):>9.1f}" for step in (*STEPS, "all"))
            print(f"{case:<16}{way:<12}{medians}{min(steps['all']):>8.1f}{max(steps['all']):>8.1f}")


if __name__ == "__main__":
    main()
