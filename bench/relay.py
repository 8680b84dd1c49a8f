"""How many deliveries a second go from a full spool through the relay to a real broker?

    python -m bench.relay [--deliveries 20000] [--rounds 3] [--json]

A disk spool is filled with small pushes in GitHub's shape, each of a repository of its own; then the relay
runs until the spool is empty: read, parsed, published with a confirm each into one project's quorum queue
that all of the repositories are bound to, noted in the book and archived, as when it serves. The broker
runs on the same cores. Stops by itself.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import aio_pika

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.topology import bindings_queue, project_queue
from hookfetch.core.delivery import Delivery
from hookfetch.core.ports import HookOptions, Spooled
from hookfetch.core.repository import identify, routing_key
from hookfetch.forges import configured_forge, load_forges
from hookfetch.logs import configure_logs
from hookfetch.server.relay import Relay
from hookfetch.spool import SegmentSpool
from hookfetch.spool.archive import Archive
from hookfetch.spool.book import DeliveryBook
from tests.support.broker import private_broker

SPOOL_BYTES = 1024**3
WITHIN = 120.0  # seconds, a round


def push(number: int, rng: random.Random) -> Delivery:
    """Return a delivery of about 1 KB, of a repository that no other number has."""
    web = _web(number)
    body = {
        "ref": "refs/heads/main",
        "before": f"{rng.getrandbits(160):040x}",
        "after": f"{rng.getrandbits(160):040x}",
        "created": False,
        "deleted": False,
        "forced": False,
        "repository": {
            "id": number,
            "full_name": web.removeprefix("https://github.com/"),
            "html_url": web,
            "clone_url": f"{web}.git",
            "ssh_url": f"git@github.com:example/project-{number}.git",
            "git_url": f"git://github.com/example/project-{number}.git",
            "default_branch": "main",
        },
        "pusher": {"name": "someone", "email": "someone@example.org"},
        "commits": [],
    }
    name = str(uuid.UUID(int=rng.getrandbits(128)))
    return Delivery(
        id=f"github/{name}",
        hook="github",
        headers={"x-github-event": "push", "x-github-delivery": name, "content-type": "application/json"},
        body=json.dumps(body).encode(),
        received_at=time.time(),
    )


def _web(number: int) -> str:
    return f"https://github.com/example/project-{number}"


class Counting:
    """The spool as the relay sees it, which tells when everything is done."""

    def __init__(self, spool: SegmentSpool, deliveries: int) -> None:
        self._spool = spool
        self._left = deliveries
        self.empty = asyncio.Event()

    async def append(self, delivery: Delivery) -> None:
        await self._spool.append(delivery)

    async def take(self, limit: int) -> list[Spooled]:
        return await self._spool.take(limit)

    async def done(self, taken: Sequence[Spooled]) -> None:
        await self._spool.done(taken)
        self._left -= len(taken)
        if self._left == 0:
            self.empty.set()


async def round_of(deliveries: int, url: str, folder: Path, seed: int) -> float:
    """Fill a spool, relay it, and return the deliveries a second; every fact must be in the queue then."""
    rng = random.Random(seed)
    project = f"bench{seed}"
    archive = Archive(folder / "bodies", folder / "spool")
    book = DeliveryBook(folder / "book.sqlite")
    await book.open()
    async with SegmentSpool(folder / "spool", SPOOL_BYTES, archive) as spool:
        for start in range(0, deliveries, 1000):
            numbers = range(start, min(start + 1000, deliveries))
            await asyncio.gather(*(spool.append(push(number, rng)) for number in numbers))
        bus = RabbitBus(url, confirm_timeout=10.0)
        await bus.start()
        await bus.bind(project, _keys(deliveries))
        counting = Counting(spool, deliveries)
        forges = {"github": configured_forge(load_forges()["github"], HookOptions())}
        relay = Relay(counting, forges, bus, book=book, place=spool.place)
        begun = time.perf_counter()
        await relay.start()
        async with asyncio.timeout(WITHIN):
            await counting.empty.wait()
        took = time.perf_counter() - begun
        await relay.stop()
        await bus.close()
    await book.close()
    await _must_hold(url, project, deliveries)
    return deliveries / took


def _keys(deliveries: int) -> frozenset[str]:
    names = (identify(f"{_web(number)}.git") for number in range(deliveries))
    return frozenset(routing_key(name) for name in names if name)


async def _must_hold(url: str, project: str, deliveries: int) -> None:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue(project_queue(project))
        held = queue.declaration_result.message_count
        await channel.queue_delete(project_queue(project))
        await channel.queue_delete(bindings_queue(project))
    if held != deliveries:
        raise SystemExit(f"{deliveries} deliveries became {held} facts in the queue: nothing was measured")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deliveries", type=int, default=20_000, help="a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        Path(os.devnull).open("w") as nowhere,
        private_broker() as url,
        tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder,
        contextlib.redirect_stderr(nowhere),  # one line a delivery, as the service logs
    ):
        configure_logs("text")
        rates = [
            asyncio.run(round_of(options.deliveries, url, Path(folder) / str(number), number))
            for number in range(options.rounds)
        ]
    if options.json:
        print(json.dumps(rates))
        return
    print(f"{options.rounds} rounds of {options.deliveries}{'':6}{'median':>10}{'least':>10}{'most':>10}")
    print(
        f"{'spool -> broker, 1/s':<24}{statistics.median(rates):>8.0f}{min(rates):>10.0f}{max(rates):>10.0f}"
    )


if __name__ == "__main__":
    main()
