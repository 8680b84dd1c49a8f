"""The receivers that `bench.ingress` compares: `python -m bench.ingress_receivers NAME FOLDER` is one.

`hookfetch` is the real ingress: verified, durable in a spool in FOLDER, answered, logged.
`hookfetch+relay` also parses and publishes in the same process, on a bus that nobody
listens to. `gidgethub` verifies and parses with
gidgethub and stores nothing. Each prints the port it listens on, and ends with its
standard input.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohttp import web
from gidgethub import sansio

from bench.ingress_deliveries import SECRET
from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.core.ports import HookOptions
from hookfetch.forges import load_forges
from hookfetch.logs import configure_logs
from hookfetch.server.door.house import Limits
from hookfetch.server.http import HttpServer
from hookfetch.server.ingress import Hook, Ingress
from hookfetch.server.relay import Relay
from hookfetch.service import SWITCH_INTERVAL
from hookfetch.spool import SegmentSpool

MAX_BODY = 25 * 1024 * 1024
SPOOL_BYTES = 4 * 1024**3


def gidgethub_app() -> web.Application:
    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        event = sansio.Event.from_http(request.headers, body, secret=SECRET)
        assert event.data["ref"]
        return web.Response(status=202)

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_post("/hooks/github", receive)
    return app


@asynccontextmanager
async def running(name: str, folder: Path) -> AsyncIterator[int]:
    """Run a receiver; give the port it listens on."""
    if name == "gidgethub":
        runner = web.AppRunner(gidgethub_app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        yield runner.addresses[0][1]
        await runner.cleanup()
        return
    configure_logs("json")
    sys.setswitchinterval(SWITCH_INTERVAL)
    forge = load_forges()["github"](HookOptions())
    hooks = {"github": Hook(name="github", forge=forge, secrets=(SECRET,))}
    async with SegmentSpool(folder / "spool", SPOOL_BYTES) as spool, AsyncExitStack() as stack:
        if name == "hookfetch+relay":
            relay = Relay(spool, {"github": forge}, MemoryBus(folder / "dead"))
            await relay.start()
            stack.push_async_callback(relay.stop)
        server = HttpServer(
            Ingress(hooks, spool, time.time, MAX_BODY), "127.0.0.1:0", Limits(max_body=MAX_BODY)
        )
        await server.start()
        stack.push_async_callback(server.stop)
        yield server.port


async def serve(name: str, folder: Path) -> None:
    async with running(name, folder) as port:
        print(port, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
