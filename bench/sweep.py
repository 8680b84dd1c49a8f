"""A look at every repository of gnome-build-meta when nothing has moved, against `bst source track`.

    python -m bench.sweep [--rounds 5] [--bst-rounds 2] [--delays 0,50] [--at-once 64] [--per-host 32]

The project in its recorded shape, its repositories generated (`bench.gnome` says which are not there) and
served on loopback, each real host at an address of its own, each answer held back by `--delays` milliseconds.
In turn: the sweep with its store; a bare loop over one warm session, that posts `ls-refs` and reads the
answer, with the same limits; and `bst source track` of the elements that follow the repositories, with warm
mirrors and as many at once as it chooses (10, whatever the host).

The limits: `--at-once` questions in all and `--per-host` of them to one host, nothing a second. They are not
the service's own, with which nothing is to be measured: at 5 a second the 146 repositories of
gitlab.gnome.org take 29 s, however fast anything is. Nor does a service ever ask all at once, but each in its
turn.
The upstreams answer without git (`bench.upstreams`), for every way alike. Stops by itself.
"""

import argparse
import asyncio
import json
import logging
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import aiohttp
from yarl import URL

from bench.gnome import make_gnome, upstream_hosts
from bench.upstreams import LightUpstreams
from hookfetch.config import EngineConfig, ProjectConfig, SweepConfig
from hookfetch.core.events import UpstreamFact
from hookfetch.core.matching import Index
from hookfetch.core.sources import Element
from hookfetch.demo.lab import Lab
from hookfetch.engine.supervisor import BuildStreamEngine
from hookfetch.logs import configure_logs
from hookfetch.store.database import Database
from hookfetch.store.observed import ObservedRefs
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.asking import Asking
from hookfetch.upstreams.hosts import Hosts
from hookfetch.upstreams.shared_looks import SharedLooks
from hookfetch.upstreams.sweep import Sweep

NEVER = 1e7  # seconds between two turns: only what is asked for is measured
WITHIN = 300.0  # seconds
LS_REFS = b"0014command=ls-refs\n0001" + b"0009peel\n" + b"0000"
HEADERS = {
    "Git-Protocol": "version=2",
    "Content-Type": "application/x-git-upload-pack-request",
    "Accept": "application/x-git-upload-pack-result",
}

Times = dict[str, list[float]]


async def measure(options: argparse.Namespace) -> dict[str, Times]:
    """Return the seconds of each round by delay and way, and the number of repositories."""
    cases = {}
    for delay in options.delays:
        with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
            root = Path(folder)
            served = root / "served"
            served.mkdir()
            hosts = upstream_hosts()
            with LightUpstreams(served, delay=delay / 1000, hosts=len(hosts)) as server:
                servers = dict(zip(hosts, server.urls, strict=True))
                gnome = make_gnome(served, root / "project", servers)
                elements = await _load(root)
                index = Index.of(element for element in elements if element.name in gnome.followers)
                facts: list[UpstreamFact] = []
                times = await _rounds(root, index, facts, options)
                times["bst"] = await asyncio.to_thread(_bst, root, list(gnome.followers), options.bst_rounds)
                if facts:
                    raise SystemExit(f"{len(facts)} facts of repositories that did not move")
                times["repositories"] = [len(index.repositories())]
                cases[f"{delay} ms"] = times
    return cases


async def _load(root: Path) -> Sequence[Element]:
    project = ProjectConfig(name="gnome", path=root / "project")
    engine = BuildStreamEngine({"gnome": project}, root / "state", EngineConfig(processes=1))
    try:
        return (await engine.load("gnome")).elements
    finally:
        await engine.close()


async def _rounds(root: Path, index: Index, facts: list[UpstreamFact], options: argparse.Namespace) -> Times:
    database = Database(root / "store.sqlite")
    await database.open()
    times: Times = {"sweep": [], "bare": []}

    async def accept(found: Sequence[UpstreamFact]) -> None:
        facts.extend(found)

    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            sweep = Sweep(
                index=lambda: index,
                known=ObservedRefs(database, time.time),
                accept=accept,
                looks=SharedLooks(
                    Hosts(at_once=options.at_once, per_host=options.per_host, rate=1e9, clock=time.monotonic)
                ),
                ask=Asking(session, Accounts(()), SweepConfig().timeout).refs,
                least=NEVER,
                most=NEVER,
                clock=time.time,
            )
            begun = time.time()
            sweep.refresh()
            await _all_asked(sweep, begun)
            facts.clear()  # the first look tells what tracking has to find
            urls = [urls[0] for urls in index.repositories().values()]
            await _bare(session, urls, options)
            for _ in range(options.rounds):
                begun = time.time()
                sweep.ask_all_now()
                times["sweep"].append(await _all_asked(sweep, begun))
                times["bare"].append(await _bare(session, urls, options))
            await sweep.close()
    finally:
        await database.close()
    return times


async def _all_asked(sweep: Sweep, begun: float) -> float:
    """Return the seconds since `begun` (Unix) once every repository has answered after it."""
    async with asyncio.timeout(WITHIN):
        while True:
            left = [each for each in sweep.status() if each.last_ok is None or each.last_ok < begun]
            if not left:
                return time.time() - begun
            failed = [each for each in left if each.error is not None and (each.last_asked or 0.0) >= begun]
            if failed:
                raise SystemExit(f"{failed[0].repository}: {failed[0].error}")
            await asyncio.sleep(0.005)


async def _bare(session: aiohttp.ClientSession, urls: Sequence[str], options: argparse.Namespace) -> float:
    slots = asyncio.Semaphore(options.at_once)
    hosts = defaultdict[str | None, asyncio.Semaphore](lambda: asyncio.Semaphore(options.per_host))

    async def ask(url: str) -> None:
        async with (
            hosts[URL(url).host],
            slots,
            session.post(f"{url}/git-upload-pack", data=LS_REFS, headers=HEADERS) as response,
        ):
            assert response.status == 200
            await response.read()

    begun = time.perf_counter()
    await asyncio.gather(*map(ask, urls))
    return time.perf_counter() - begun


def _bst(root: Path, elements: Sequence[str], rounds: int) -> list[float]:
    """Track the elements, once to warm up; return the seconds of each round."""
    lab = Lab(root)
    lab.cache.start()
    took = []
    try:
        for number in range(-1, rounds):
            begun = time.perf_counter()
            done = lab.bst("source", "track", "--deps", "none", *elements, timeout=WITHIN)
            if done.returncode:
                raise SystemExit(f"bst source track: {done.stderr[-2000:]}")
            if number >= 0:
                took.append(time.perf_counter() - begun)
    finally:
        lab.cache.stop()
    return took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bst-rounds", type=int, default=2)
    parser.add_argument(
        "--delays", type=lambda text: [int(part) for part in text.split(",")], default=[0, 50]
    )
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--per-host", type=int, default=32)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    configure_logs("text", logging.WARNING)
    cases = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(cases))
        return
    print(
        f"{'seconds':<10}{'way':<8}{'median':>8}{'least':>8}{'most':>8}   ms a repository   times the sweep"
    )
    for case, times in cases.items():
        (count,) = times.pop("repositories")
        swept = statistics.median(times["sweep"])
        for way, values in times.items():
            middle = statistics.median(values)
            print(
                f"{case:<10}{way:<8}{middle:>8.2f}{min(values):>8.2f}{max(values):>8.2f}"
                f"{1000 * middle / count:>18.2f}{middle / swept:>18.2f}"
            )


if __name__ == "__main__":
    main()
