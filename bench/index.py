"""How long does it take to build the index of a project, and to find who follows a push?

    python -m bench.index [--json]

Two real projects (544 and 1086 recorded elements) are loaded by the real BuildStream, the
load (a warm reload) timed apart; a third one, of 100,000 sources, is made up. Times are
medians with the first and third quartile; a look-up goes from a payload's URL and ref to the
elements. Ends within two minutes.
"""

import argparse
import asyncio
import json
import platform
import random
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.core.matching import Index
from hookfetch.core.repository import identify
from hookfetch.core.sources import Element, Source
from hookfetch.engine.supervisor import BuildStreamEngine
from tests.support.projects import generate_project

FACTS = Path(__file__).parents[1].parent / "shared/projects"
REAL = ("gnome-build-meta", "freedesktop-sdk")
SYNTHETIC_SOURCES = 100_000
BUILDS = 15
SYNTHETIC_BUILDS = 3
LOOK_UPS = 20_000
BATCH = 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.index")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(prefix="bench-index-") as folder:
        for name in REAL:
            load, elements = asyncio.run(_load(name, Path(folder) / name))
            results.append({"project": name, "load_seconds": load, **_measure(elements, BUILDS)})
    synthetic = _synthetic(SYNTHETIC_SOURCES)
    results.append({"project": "synthetic", "load_seconds": None, **_measure(synthetic, SYNTHETIC_BUILDS)})
    if options.json:
        print(json.dumps({"python": platform.python_version(), "results": results}))
    else:
        _table(results)


async def _load(name: str, folder: Path) -> tuple[float, Sequence[Element]]:
    generated = generate_project(FACTS / f"{name}.json", folder / "project")
    project = ProjectConfig(name=name, path=generated.path)
    engine = BuildStreamEngine({name: project}, folder / "state", EngineConfig(processes=1))
    try:
        await engine.load(name)  # starts the process; a reload is what a running service pays
        started = time.perf_counter()
        loaded = await engine.load(name)
        return time.perf_counter() - started, loaded.elements
    finally:
        await engine.close()


def _synthetic(count: int) -> Sequence[Element]:
    """One source an element, two mirrors each, four elements a repository, a hundred kinds of track."""
    tracks = ["main", "master", "v*", *(f"release-{number}.*" for number in range(97))]
    return [
        Element(
            name=f"components/{number}.bst",
            kind="import",
            sources=(
                Source(
                    index=0,
                    kind="git_repo",
                    urls=tuple(
                        f"https://{host}.example.org/group/project-{number // 4}.git" for host in "abc"
                    ),
                    track={"track": tracks[number % len(tracks)], "exclude": ["*-rc*"]},
                    ref=f"v1.{number}-0-g{number:040x}",
                ),
            ),
        )
        for number in range(count)
    ]


def _measure(elements: Sequence[Element], builds: int) -> dict[str, Any]:
    build = [_timed(lambda: Index.of(elements)) for _ in range(builds)]
    tracemalloc.start()
    index = Index.of(elements)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    repositories = list(index.repositories())
    sources = sum(len(index.followers(repository)) for repository in repositories)
    chance = random.Random(1)
    pushes = [
        (url, chance.choice(("refs/heads/main", "refs/heads/wip", "refs/tags/v1.2.3")))
        for repository in chance.choices(repositories, k=LOOK_UPS)
        for url in index.repositories()[repository][:1]
    ]
    for url, ref in pushes[:BATCH]:
        _look_up(index, url, ref)
    batches = [pushes[start : start + BATCH] for start in range(0, len(pushes), BATCH)]
    look_up = [_timed(lambda batch=batch: _look_up_all(index, batch)) / len(batch) for batch in batches]
    return {
        "elements": len(elements),
        "followed_sources": sources,
        "repositories": len(repositories),
        "build_milliseconds": _spread(build, 1e3),
        "look_up_microseconds": _spread(look_up, 1e6),
        "megabytes": memory / 1e6,
    }


def _look_up(index: Index, url: str, ref: str) -> int:
    """Do what a delivery asks for: from a URL in a payload to the elements."""
    repository = identify(url)
    assert repository is not None
    return len(index.affected((repository,), ref))


def _look_up_all(index: Index, pushes: Sequence[tuple[str, str]]) -> int:
    return sum(_look_up(index, url, ref) for url, ref in pushes)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _spread(seconds: Sequence[float], unit: float) -> dict[str, float]:
    first, middle, third = statistics.quantiles(seconds, n=4)
    return {"median": middle * unit, "first_quartile": first * unit, "third_quartile": third * unit}


def _table(results: Sequence[dict[str, Any]]) -> None:
    print(f"Python {platform.python_version()}; median (quartiles)")
    print(f"{'project':18} elements followed repos   reload s          build ms        look-up µs     MB")
    for row in results:
        load = "-" if row["load_seconds"] is None else f"{row['load_seconds']:.2f}"
        build, look_up = (
            f"{spread['median']:.1f} ({spread['first_quartile']:.1f}-{spread['third_quartile']:.1f})"
            for spread in (row["build_milliseconds"], row["look_up_microseconds"])
        )
        print(
            f"{row['project']:18} {row['elements']:8} {row['followed_sources']:8} {row['repositories']:5} "
            f"{load:>10} {build:>17} {look_up:>17} {row['megabytes']:6.1f}"
        )


if __name__ == "__main__":
    main()
