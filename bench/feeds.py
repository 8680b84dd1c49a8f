"""10,000 feeds of which 95 of 100 say that nothing changed, and a release on one of them.

    python -m bench.feeds [--feeds 10000] [--hosts 10] [--at-once 64] [--per-host 4]

The server is a process of its own, each host an address of loopback; it counts how many questions a host has
at once. The poller reads each feed once, with its store on this machine's disk. Then one in twenty gets a
release, and all are asked again: that round is measured, and that every release is told. The limits are not
the service's own, with which nothing is to be measured: at 5 a second and host they alone take longer. Stops
by itself.
"""

import argparse
import asyncio
import multiprocessing
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from aiohttp import web

from hookfetch.core.derivation import Feed
from hookfetch.core.events import ReleaseFound
from hookfetch.core.watching import Watch
from hookfetch.logs import configure_logs
from hookfetch.store.database import Database
from hookfetch.store.feeds import SeenFeeds
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.feed_get import FeedClient
from hookfetch.upstreams.feed_session import open_session
from hookfetch.upstreams.feed_sweep import FeedSweep
from hookfetch.upstreams.hosts import Hosts
from hookfetch.upstreams.shared_feeds import SharedFeeds

CHANGED = 20  # one in so many
NEVER = 1e7  # seconds between two turns: only what is asked for is measured
WITHIN = 300.0
SECONDS_MOST, MEGABYTES_MOST = 60.0, 200.0


def document(number: int, newest: int) -> str:
    """Return a feed of ten releases."""
    entries = "".join(
        f"<entry><id>tag:github.com,2008:Repository/{number}/v1.{minor}</id>"
        f'<link href="https://example.org/o/r{number}/releases/tag/v1.{minor}"/>'
        f"<title>v1.{minor}</title><content>{'What is new. ' * 20}</content></entry>"
        for minor in range(newest, newest - 10, -1)
    )
    return f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>r</title>{entries}</feed>'


class Server:
    """Answers for every feed; `moved` those that have a release more."""

    def __init__(self) -> None:
        self.moved = False
        self.at_once: dict[str, int] = defaultdict(int)
        self.most = 0
        self.answered: dict[int, int] = defaultdict(int)

    async def answer(self, request: web.Request) -> web.Response:
        self.at_once[request.host] += 1
        self.most = max(self.most, self.at_once[request.host])
        try:
            await asyncio.sleep(0.002)  # so that questions meet
            number = int(request.match_info["number"])
            newest = 21 if self.moved and number % CHANGED == 0 else 20
            etag = f'"{newest}"'
            same = request.headers.get("If-None-Match") == etag
            self.answered[304 if same else 200] += 1
            if same:
                return web.Response(status=304, headers={"ETag": etag})
            return web.Response(
                text=document(number, newest), content_type="application/atom+xml", headers={"ETag": etag}
            )
        finally:
            self.at_once[request.host] -= 1

    async def run(self, pipe: Connection, hosts: int) -> None:
        application = web.Application()
        application.add_routes([web.get("/{number}.atom", self.answer)])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        for host in range(2, hosts + 1):
            await web.TCPSite(runner, f"127.0.0.{host}", port).start()
        pipe.send(port)
        while await asyncio.to_thread(pipe.recv) == "move":
            pipe.send(dict(self.answered))
            self.moved = True
            self.answered.clear()
        pipe.send((dict(self.answered), self.most))
        await runner.cleanup()


def serve(pipe: Connection, hosts: int) -> None:
    """Run the server until it is told to end."""
    asyncio.run(Server().run(pipe, hosts))


class Poller:
    """The poller over feeds, and when which fact came."""

    def __init__(self, feeds: Sequence[str], database: Database, options: argparse.Namespace) -> None:
        self.told: dict[str, float] = {}
        self._feeds = feeds
        self.shared = SharedFeeds(
            Hosts(at_once=options.at_once, per_host=options.per_host, rate=1e9, clock=time.monotonic),
            lambda is_named: FeedClient(
                open_session(is_named), Accounts(()), agent="hookfetch/bench", timeout=30.0
            ),
        )
        self.sweep = FeedSweep(
            watches=self._watches,
            known=SeenFeeds(database),
            accept=self._accept,
            shared=self.shared,
            least=NEVER,
            most=NEVER,
            clock=time.time,
        )

    def _watches(self) -> list[Watch]:
        return [
            Watch(
                element=f"{number}.bst",
                current="1.20",
                feed=Feed(kind="github_atom", url=url, sure="certain", origin="bench"),
            )
            for number, url in enumerate(self._feeds)
        ]

    async def _accept(self, facts: Sequence[ReleaseFound]) -> None:
        for fact in facts:
            self.told[fact.element] = time.time()

    async def all_asked(self, begun: float) -> float:
        """Return the seconds since `begun` (Unix) once every feed has answered after it."""
        async with asyncio.timeout(WITHIN):
            while True:
                status = self.sweep.status().values()
                failed = [each.known.error for each in status if each.known.error]
                if failed:
                    raise SystemExit(failed[0])
                if len(status) == len(self._feeds) and all(
                    (each.last_asked or 0) >= begun for each in status
                ):
                    return time.time() - begun
                await asyncio.sleep(0.1)


async def measure(options: argparse.Namespace, pipe: Connection) -> bool:
    """Print what was measured; return whether it is as good as it is to be."""
    port = pipe.recv()
    feeds = [f"http://127.0.0.{1 + n % options.hosts}:{port}/{n}.atom" for n in range(options.feeds)]
    with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
        database = Database(Path(folder) / "store.sqlite")
        await database.open()
        poller = Poller(feeds, database, options)
        async with poller.shared.joined():
            begun = time.time()
            poller.sweep.refresh()
            first = await poller.all_asked(begun)
            pipe.send("move")
            pipe.recv()
            begun, used = time.time(), time.process_time()
            poller.sweep.ask_now(bool)
            again = await poller.all_asked(begun)
            used = time.process_time() - used
            await poller.sweep.close()
        await database.close()
    pipe.send("end")
    answered, most = pipe.recv()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    expected = len(range(0, options.feeds, CHANGED))
    print(f"{options.feeds} feeds of {options.hosts} hosts, {options.at_once} questions at once")
    print(f"first round, all 200          {first:8.1f} s")
    print(f"next, {answered.get(304, 0)} of them 304       {again:8.1f} s  (goal: {SECONDS_MOST:g})")
    print(f"its processor time            {used:8.1f} s  ({1000 * used / options.feeds:.2f} ms a feed)")
    print(f"memory at most                {megabytes:8.0f} MB (goal: {MEGABYTES_MOST:g})")
    print(f"questions at once to a host   {most:8d}    (limit: {options.per_host})")
    print(f"releases told                 {len(poller.told):8d}    (of {expected})")
    return (
        again < SECONDS_MOST
        and megabytes < MEGABYTES_MOST
        and most <= options.per_host
        and len(poller.told) == expected
        and answered.get(304, 0) == options.feeds - expected
    )


def main() -> None:
    """Measure and print; end with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--feeds", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--per-host", type=int, default=4)
    options = parser.parse_args()
    configure_logs("text", 40)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs, options.hosts))
    server.start()
    try:
        good = asyncio.run(measure(options, ours))
    finally:
        server.join(10.0)
        if server.is_alive():
            server.kill()
            server.join()
    if not good:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
