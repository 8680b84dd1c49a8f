"""How soon one update reaches the last of many watchers.

    python -m bench.watchers [--watchers 1000] [--updates 30] [--json]

One gateway in a process of its own, each watcher with a connection of its own in another one, which takes
the responses as bytes. The time is from the entry's arrival at the gateway to its arrival at the first, the
median and the last watcher, by the clock that both processes share; the processor time is the gateway's
for one watcher. Stops by itself.
"""

import argparse
import asyncio
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import grpc

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.core.codec import dump_record
from hookfetch.core.entries import RefUpdated
from hookfetch.core.jobs import Change
from hookfetch.core.ports import Message
from hookfetch.logs import configure_logs
from hookfetch.server.grpc.server import GrpcServer
from hookfetch.v1 import refs_pb2

PROJECT = "distribution"
METHOD = "/hookfetch.v1.RefService/Watch"
GIVE_UP = 120.0  # seconds
WARM = 3  # updates that are not counted


def _entry(number: int) -> RefUpdated:
    change = Change(
        index=0,
        kind="git_repo",
        url="https://upstream.example/group/project.git",
        base="3.2-0-g" + "a" * 40,
        previous="3.2-1-g" + f"{number - 1:040x}",
        ref="3.2-2-g" + f"{number:040x}",
    )
    return RefUpdated(
        log_id="log",
        number=number,
        project=PROJECT,
        element=f"core/element-{number}.bst",
        changes=(change,),
        cached=True,
        element_key="e" * 64,
        source_keys=("s" * 64,),
        causes=(f"hook/{number}#0",),
        announced_at=time.time(),
    )


async def _gateway() -> None:
    """Serve until stdin ends; for each line of it announce one more entry, and say when that was."""
    with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
        bus = MemoryBus(Path(folder))
        server = GrpcServer(bus, [PROJECT], "127.0.0.1:0")
        await server.start()
        print(server.port, flush=True)
        number = 0
        while await asyncio.to_thread(sys.stdin.readline):
            number += 1
            body = dump_record(_entry(number))
            used, at = time.process_time(), time.time()
            await bus.publish_entry(Message(id=str(number), body=body))
            print(json.dumps([at, used]), flush=True)
        await server.stop(0)


class _Watchers:
    """So many watchers, and when each got the update that all wait for."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._count = count
        self._arrived: list[float] = []
        self._all = asyncio.Event()
        self.caught_up = asyncio.Event()
        self._waiting = count

    async def watch(self) -> None:
        """Watch until the connection ends: the first response says that the watcher has caught up."""
        options = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self._port}", options=options) as channel:
            call = channel.unary_stream(METHOD, request_serializer=refs_pb2.WatchRequest.SerializeToString)
            stream = call(refs_pb2.WatchRequest())
            while (response := await stream.read()) is not grpc.aio.EOF:
                if response[0] == _UPDATE:
                    self._arrived.append(time.time())
                    if len(self._arrived) == self._count:
                        self._all.set()
                else:
                    self._waiting -= 1
                    if self._waiting == 0:
                        self.caught_up.set()

    async def next_update(self) -> list[float]:
        """Return when each watcher got the next update, in order."""
        async with asyncio.timeout(GIVE_UP):
            await self._all.wait()
        arrived, self._arrived = sorted(self._arrived), []
        self._all.clear()
        return arrived


_UPDATE = refs_pb2.WatchResponse(update=refs_pb2.RefUpdate(project="x")).SerializeToString()[0]


async def measure(count: int, updates: int) -> tuple[list[list[float]], list[float]]:
    """Return for each update the milliseconds to the first, the median and the last watcher; and the
    gateway's processor time for each update and watcher, in microseconds."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.watchers", "--gateway"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    took, used = [], []
    try:
        watchers = _Watchers(int(await child.stdout.readline()), count)
        tasks = [asyncio.create_task(watchers.watch()) for _ in range(count)]
        async with asyncio.timeout(GIVE_UP):
            await watchers.caught_up.wait()
        before = None
        for number in range(WARM + updates + 1):
            child.stdin.write(b"\n")
            at, processor = json.loads(await child.stdout.readline())
            arrived = await watchers.next_update()
            if number > WARM:
                used.append(1e6 * (processor - before) / count)
            before = processor
            if number >= WARM:
                took.append([1000 * (arrived[i] - at) for i in (0, count // 2, -1)])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        child.stdin.close()
        await child.wait()
    return took, used


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--updates", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--gateway", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    configure_logs("text", logging.WARNING)
    if options.gateway:
        asyncio.run(_gateway())
        return
    took, used = asyncio.run(measure(options.watchers, options.updates))
    if options.json:
        print(json.dumps({"cores": os.cpu_count(), "milliseconds": took, "gateway_us": used}))
        return
    print(
        f"{f'{options.watchers} watchers, {options.updates} updates':<32}{'median':>8}{'least':>8}{'most':>8}"
    )
    names = ("first watcher, ms", "median watcher, ms", "last watcher, ms")
    for name, values in zip(names, zip(*took, strict=True), strict=True):
        print(f"{name:<32}{statistics.median(values):>8.1f}{min(values):>8.1f}{max(values):>8.1f}")
    row = f"{statistics.median(used):>8.1f}{min(used):>8.1f}{max(used):>8.1f}"
    print(f"{'gateway, us of a core/watcher':<32}{row}")


if __name__ == "__main__":
    main()
