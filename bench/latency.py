"""From a delivery's POST to the ref update at a watcher, against the `bst` processes that do the same.

    python -m bench.latency [--rounds 20] [--json]

One git_repo element, upstream on loopback, a new commit each time, the two ways in turn on the same
project and source cache: the service's (post a signed delivery, wait for the watcher), and `bst source
track` followed by `bst source push` with a warm cache of its own. Stops by itself.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import uuid
from pathlib import Path

import aiohttp

from hookfetch.client import Client, RefUpdate
from hookfetch.client.watch import Watch
from hookfetch.demo.deliveries import github_push
from hookfetch.demo.lab import HOOK, Lab
from hookfetch.demo.processes import Serve

READY_WITHIN = 60.0


async def measure(rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each round, by way."""
    with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
        root = Path(folder)
        lab = Lab(root)
        serve = Serve(lab.config, root)
        try:
            await asyncio.to_thread(lab.start)
            await serve.start()
            await serve.line("loaded", lambda line: line["event"] == "project loaded", READY_WITHIN)
            await serve.line("serving", lambda line: line["event"] == "serving", READY_WITHIN)
            return await _rounds(lab, rounds)
        finally:
            await serve.stop()
            await asyncio.to_thread(lab.stop)


async def _rounds(lab: Lab, rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"service": [], "bst": []}
    async with Client(lab.grpc) as client, aiohttp.ClientSession() as session:
        cursor = (await client.list(projects=[lab.project])).cursor
        watch = client.watch(projects=[lab.project], cursor=cursor)
        for number in range(-1, rounds):  # the first of each way is the warm-up
            service = await _by_service(lab, session, watch, number)
            bst = await asyncio.to_thread(_by_bst, lab, number)
            if number >= 0:
                times["service"].append(service)
                times["bst"].append(bst)
        await watch.aclose()
    return times


async def _by_service(lab: Lab, session: aiohttp.ClientSession, watch: Watch, number: int) -> float:
    alpha = lab.repositories["alpha"]
    before = alpha.commit_of("refs/heads/main") or ""
    after = alpha.commit({"README": f"service {number}"}, "for the service")
    url = alpha.url(lab.upstreams.url)
    headers, body = github_push(url, "refs/heads/main", before, after, lab.secret, str(uuid.uuid4()))
    update = asyncio.ensure_future(_update_with(watch, after))
    await asyncio.sleep(0)
    begun = time.perf_counter()
    async with session.post(f"http://{lab.ingress}/hooks/{HOOK}", data=body, headers=headers) as response:
        assert response.status == 202
    await update
    return 1000 * (time.perf_counter() - begun)


async def _update_with(watch: Watch, commit: str) -> None:
    """Return once `commit` is announced as cached; the sweep may announce the other way's first."""
    async for update in watch:
        if isinstance(update, RefUpdate) and commit in str(update.changes[0].ref):
            assert update.cached
            return


def _by_bst(lab: Lab, number: int) -> float:
    after = lab.repositories["alpha"].commit({"README": f"bst {number}"}, "for bst")
    begun = time.perf_counter()
    for command in ("track", "push"):
        done = lab.bst("source", command, "alpha.bst", push=True)
        assert done.returncode == 0, done.stderr
    took = time.perf_counter() - begun
    assert after in (lab.root / "project/elements/alpha.bst").read_text()
    return 1000 * took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    times = asyncio.run(measure(options.rounds))
    ratios = [bst / service for service, bst in zip(times["service"], times["bst"], strict=True)]
    if options.json:
        print(json.dumps({**times, "ratios": ratios}))
        return
    print(f"{options.rounds} rounds{'':12}{'median':>10}{'least':>10}{'most':>10}")
    for name, values in (
        ("delivery -> watcher, ms", times["service"]),
        ("bst track + push, ms", times["bst"]),
        ("times faster", ratios),
    ):
        print(f"{name:<24}{statistics.median(values):>8.1f}{min(values):>10.1f}{max(values):>10.1f}")


if __name__ == "__main__":
    main()
