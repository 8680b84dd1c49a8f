"""A client tracks one unchanged element by its name, against one bare question to the upstream.

    python -m bench.track [--rounds 40] [--delays 0,50] [--json]

In turn, over connections that stay open: `Track` of a git_repo element through the whole service (gateway,
coordinator, worker, BuildStream), and `ls-refs` of its repository posted by an HTTP client. Upstream on
loopback by git's own server, each answer held back by `--delays` milliseconds. Stops by itself.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp

from bench.sweep import HEADERS, LS_REFS
from hookfetch.client import Client
from hookfetch.demo.lab import Lab
from hookfetch.demo.processes import Serve
from hookfetch.demo.upstreams import UpstreamServer

NAME = "alpha"
READY_WITHIN = 60.0  # seconds
ALLOWED = 5.0  # milliseconds, above twice the question
WARM = 3  # rounds

Times = dict[str, list[float]]


async def measure(options: argparse.Namespace) -> dict[str, Times]:
    """Return the milliseconds of each round, by delay and way."""
    cases: dict[str, Times] = {}
    for delay in options.delays:
        with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
            root = Path(folder)
            lab = Lab(root)
            lab.upstreams = UpstreamServer(root / "upstreams", delay=delay / 1000)
            serve = Serve(lab.config, root)
            try:
                await asyncio.to_thread(lab.start)
                await serve.start()
                await serve.line("loaded", lambda line: line["event"] == "project loaded", READY_WITHIN)
                await serve.line("serving", lambda line: line["event"] == "serving", READY_WITHIN)
                cases[f"{delay} ms"] = await _rounds(lab, options.rounds)
            finally:
                await serve.stop()
                await asyncio.to_thread(lab.stop)
    return cases


async def _rounds(lab: Lab, rounds: int) -> Times:
    times: Times = {"track": [], "ls-refs": []}
    url = f"{lab.repositories[NAME].url(lab.upstreams.url)}/git-upload-pack"
    async with Client(lab.grpc) as client, aiohttp.ClientSession() as session:
        for number in range(-WARM, rounds):
            begun = time.perf_counter()
            tracked = await client.track(lab.project, f"{NAME}.bst")
            track = 1000 * (time.perf_counter() - begun)
            assert not tracked.changes
            begun = time.perf_counter()
            async with session.post(url, data=LS_REFS, headers=HEADERS) as response:
                assert response.status == 200
                assert b"refs/heads/main" in await response.read()
            if number >= 0:
                times["track"].append(track)
                times["ls-refs"].append(1000 * (time.perf_counter() - begun))
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument(
        "--delays", type=lambda text: [int(part) for part in text.split(",")], default=[0, 50]
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cases = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(cases))
        return
    columns = ("track", "least", "most", "ls-refs", "least", "most", "goal")
    print(f"{f'{options.rounds} rounds, ms':<20}" + "".join(f"{name:>8}" for name in columns))
    for case, times in cases.items():
        row = "".join(
            f"{statistics.median(values):>8.1f}{min(values):>8.1f}{max(values):>8.1f}"
            for values in times.values()
        )
        print(f"{case:<20}{row}{2 * statistics.median(times['ls-refs']) + ALLOWED:>8.1f}")


if __name__ == "__main__":
    main()
