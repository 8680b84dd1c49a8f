"""A leased hit of the Remote Asset service, against the answer of the cache behind it.

    python -m bench.asset [--rounds 8] [--json]

`hookfetch serve` over the demo's lab on loopback; one client asks hookfetch and the cache itself in turn, for
the element and the source of each of four elements. `again` is asked at once after the same question, `later`
more than a second after: then hookfetch asks the cache anew. Stops by itself.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc

from hookfetch.cas.proof import SOURCE_URN
from hookfetch.cas.protos import remote_asset_pb2, remote_asset_pb2_grpc
from hookfetch.client import Client
from hookfetch.client.errors import Unavailable
from hookfetch.demo.lab import Lab
from hookfetch.demo.processes import Serve

ELEMENTS = ("alpha.bst", "beta.bst", "gamma.bst", "delta.bst")
CASES = ("again", "later")
WAYS = ("cache", "hookfetch")
PAUSE = 1.1  # seconds: what was found is told again within one
WITHIN = 60.0

Times = dict[str, dict[str, list[float]]]  # milliseconds by case and way


async def measure(rounds: int) -> Times:
    """Return the milliseconds of each answer, by case and way; each round asks eight names."""
    with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
        root = Path(folder)
        lab = Lab(root)
        serve = Serve(lab.config, root, ())
        try:
            await asyncio.to_thread(lab.start)
            await serve.start()
            names = await _names(lab)
            async with (
                grpc.aio.insecure_channel(lab.grpc) as ours,
                grpc.aio.insecure_channel(lab.cache.url.removeprefix("http://")) as theirs,
            ):
                stubs = {"hookfetch": remote_asset_pb2_grpc.FetchStub(ours)}
                stubs["cache"] = remote_asset_pb2_grpc.FetchStub(theirs)
                return await _rounds(stubs, names, rounds)
        finally:
            await serve.stop()
            await asyncio.to_thread(lab.stop)


async def _names(lab: Lab) -> list[str]:
    """Have every element cached, and return its name and its source's."""
    found: list[str] = []
    async with Client(lab.grpc) as client:
        await _answered(lab, client)
        for element in ELEMENTS:
            fetched = await client.fetch(lab.project, element, timeout=WITHIN)
            assert fetched.cached
            assert fetched.element_key is not None
            found += [fetched.element_key, *(source.key for source in fetched.sources if source.key)]
    return found


async def _answered(lab: Lab, client: Client) -> None:
    async with asyncio.timeout(WITHIN):
        while True:
            try:
                await client.list(projects=[lab.project])
                return
            except Unavailable:
                await asyncio.sleep(0.05)


async def _rounds(stubs: dict[str, Any], names: list[str], rounds: int) -> Times:
    times: Times = {case: {way: [] for way in WAYS} for case in CASES}
    for number in range(-2, rounds):  # the first two are the warm-up
        await asyncio.sleep(PAUSE)
        taken = {(name, way): [await _ask(stubs[way], name) for _ in CASES] for name in names for way in WAYS}
        if number >= 0:
            for (_, way), (later, again) in taken.items():
                times["later"][way].append(later)
                times["again"][way].append(again)
    return times


async def _ask(stub: Any, name: str) -> float:
    """Ask for a name, and return the milliseconds until the answer."""
    began = time.perf_counter()
    if "/" in name:
        await stub.FetchDirectory(remote_asset_pb2.FetchDirectoryRequest(uris=[SOURCE_URN + name]))
    else:
        await stub.FetchBlob(remote_asset_pb2.FetchBlobRequest(uris=[SOURCE_URN + name]))
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    """Print the medians, or with --json everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    times = asyncio.run(measure(arguments.rounds))
    if arguments.json:
        print(json.dumps(times))
        return
    count = len(times["later"]["cache"])
    print(f"a hit, ms, n = {count}: {'cache':>8} {'hookfetch':>10} {'ratio of medians':>17}")
    for case in CASES:
        medians = {way: statistics.median(times[case][way]) for way in WAYS}
        ratio = medians["hookfetch"] / medians["cache"]
        print(f"{case:<22} {medians['cache']:>9.2f} {medians['hookfetch']:>10.2f} {ratio:>17.2f}")


if __name__ == "__main__":
    main()
