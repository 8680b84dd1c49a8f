"""Sends prepared deliveries over keep-alive connections as fast as they are answered, or at a rate.

A program of its own: `python -m bench.ingress_load PORT REQUESTS CONNECTIONS SEED RATE`. RATE is in
requests a second, 0 for as fast as they are answered; a latency counts from when its request was due,
so that a receiver which falls behind does not look quick. Every
request is made and signed before the clock starts. It speaks just enough HTTP/1.1 not to be
what is measured. Prints one JSON object.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator

from bench.ingress_deliveries import request

DEADLINE = 60.0  # seconds


class Sender(asyncio.Protocol):
    """A connection with one request under way."""

    def __init__(self, requests: Iterator[tuple[float, bytes]], ended: asyncio.Future[None]) -> None:
        self.requests = requests  # when each is due, by the loop's clock
        self.ended = ended
        self.latencies: list[float] = []
        self.refused = 0
        self.buffer = b""
        self.due = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self) -> None:
        due, data = next(self.requests, (0.0, None))
        loop = self.ended.get_loop()
        if data is None:
            self.ended.set_result(None)
        elif due > loop.time():
            loop.call_at(due, self.write, due, data)
        else:
            self.write(due or loop.time(), data)

    def write(self, due: float, data: bytes) -> None:
        assert self.transport is not None
        self.due = due
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self.buffer) < end + 4 + length:
            return
        self.latencies.append(self.ended.get_loop().time() - self.due)
        if not head.startswith(b"http/1.1 2"):
            self.refused += 1
        self.buffer = b""
        self.send()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(ConnectionError("the receiver closed the connection"))


async def load(port: int, count: int, connections: int, seed: int, rate: int) -> dict[str, float]:
    rng = random.Random(seed)
    prepared = [request(rng, port) for _ in range(count)]
    loop = asyncio.get_running_loop()
    began = 0.0
    requests = ((began + number / rate if rate else 0.0, data) for number, data in enumerate(prepared))
    senders: list[Sender] = []
    for _ in range(connections):
        sender = Sender(requests, loop.create_future())
        await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", port)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        senders.append(sender)
    began, worked = loop.time(), time.process_time()
    for sender in senders:
        sender.send()
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(*(sender.ended for sender in senders))
    took = loop.time() - began
    latencies = sorted(seconds for sender in senders for seconds in sender.latencies)
    return {
        "rate": len(latencies) / took,
        "p50": latencies[len(latencies) // 2] * 1000,
        "p99": latencies[len(latencies) * 99 // 100] * 1000,
        "refused": sum(sender.refused for sender in senders),
        "bytes": sum(map(len, prepared)) / count,
        "cpu": (time.process_time() - worked) / took,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(*map(int, sys.argv[1:])))))
