"""What a client downloads to resolve, fetch and build: with storage of its own, and with shared storage.

    python -m bench.storage [--elements 50] [--files 40] [--size 25000] [--json]

An unmodified `bst` over elements of git_repo, git and tar sources that hookfetch has cached, from an empty
client each time. hookfetch, the source cache and the upstreams are each behind a proxy that counts bytes
(`tests.support.counting_proxy`). `shared` has `cache: storage-service:` at the source cache. What is built
are import elements, which need no sandbox. Stops by itself.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hookfetch.client import Client
from hookfetch.client.errors import Unavailable
from hookfetch.demo.lab import Lab
from hookfetch.demo.processes import Serve
from tests.support.storage_lab import TARGET, Downloaded, Sources, counted_client, write_elements

STEPS = (("source", "fetch", "--deps", "all", TARGET), ("show", TARGET), ("build", TARGET))
WITHIN = 300.0  # seconds


async def measure(options: argparse.Namespace) -> tuple[Sources, dict[str, list[Downloaded]]]:
    """Return what was there to be had, and what each step of each way downloaded of it."""
    with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
        lab = Lab(Path(folder))
        serve = Serve(lab.config, lab.root)
        try:
            await asyncio.to_thread(lab.start)
            sources = write_elements(lab, options.elements, files=options.files, size=options.size)
            await serve.start()
            await _cached(lab, sources)
            return sources, {
                "own": await _steps(lab, "own", storage=False),
                "shared": await _steps(lab, "shared", storage=True),
            }
        finally:
            await serve.stop()
            await asyncio.to_thread(lab.stop)


async def _cached(lab: Lab, sources: Sources) -> None:
    """Have everything in the source cache."""
    async with Client(lab.grpc) as client, asyncio.timeout(WITHIN):
        while True:
            try:
                await client.list(projects=[lab.project])
                break
            except Unavailable:
                await asyncio.sleep(0.05)
        await asyncio.gather(*(client.fetch(lab.project, element) for element in sources.elements))


async def _steps(lab: Lab, name: str, *, storage: bool) -> list[Downloaded]:
    with counted_client(lab, name, storage=storage) as client:
        steps = []
        for arguments in STEPS:
            steps.append(await client.run(*arguments))
            if steps[-1].ran.code:
                raise SystemExit(f"bst {' '.join(arguments)}: {steps[-1].ran.told[-2000:]}")
        return steps


def _table(sources: Sources, ways: dict[str, list[Downloaded]]) -> Sequence[str]:
    lines = [f"{len(sources.elements)} elements, {sources.size / 1e6:.1f} MB of sources; kB downloaded from"]
    columns = ("hookfetch", "cache", "upstreams", "of all", "seconds")
    lines.append(f"{'':<20}" + "".join(f"{name:>11}" for name in columns))
    for way, steps in ways.items():
        for arguments, step in zip(STEPS, steps, strict=True):
            counts = "".join(
                f"{count / 1e3:>11.1f}" for count in (step.hookfetch, step.cache, step.upstreams)
            )
            share = f"{100 * step.bytes / sources.size:>9.2f} %"
            lines.append(f"{f'{way} {_name(arguments)}':<20}{counts}{share}{step.ran.seconds:>11.1f}")
        share = 100 * sum(step.bytes for step in steps) / sources.size
        lines.append(f"{f'{way} together':<20}{'':>33}{share:>9.2f} %")
    return lines


def _name(arguments: Sequence[str]) -> str:
    return " ".join(arguments[:2]) if arguments[0] == "source" else arguments[0]


def _plain(step: Downloaded) -> dict[str, Any]:
    return {**asdict(step), "ran": step.ran.seconds}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=50)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--size", type=int, default=25_000, help="bytes of a file")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sources, ways = asyncio.run(measure(options))
    if options.json:
        print(json.dumps({way: [_plain(step) for step in steps] for way, steps in ways.items()}))
    else:
        print("\n".join(_table(sources, ways)))


if __name__ == "__main__":
    main()
