"""Servers for the tests of asking: the real `git http-backend`, and one that sends scripted bytes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import BasicAuth, web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from hookfetch.demo.upstreams import make_application

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Log:
    """What a server was asked, as `METHOD path` in order."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.refuse = False


@asynccontextmanager
async def git_server(
    root: Path, log: Log, *, speaks_v2: bool = True, account: tuple[str, str] | None = None
) -> AsyncIterator[str]:
    """Serve the repositories below `root`, to `account` alone if there is one; without `speaks_v2` git
    never sees that it was asked to."""
    allowed = None if account is None else BasicAuth(*account).encode()

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        log.requests.append(f"{request.method} {request.path}")
        if allowed is not None and request.headers.get("Authorization") != allowed:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Basic"})
        if log.refuse:
            raise web.HTTPServiceUnavailable
        if not speaks_v2:
            headers = CIMultiDict(request.headers)
            headers.pop("Git-Protocol", None)
            request = request.clone(headers=headers)
        return await handler(request)

    application = make_application(root)
    application.middlewares.append(gate)
    async with _running(application) as url:
        yield url


@asynccontextmanager
async def routes(*table: web.RouteDef) -> AsyncIterator[str]:
    """Serve a table of routes."""
    application = web.Application()
    application.add_routes(table)
    async with _running(application) as url:
        yield url


@asynccontextmanager
async def _running(application: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(answer: Answer) -> AsyncIterator[str]:
    """Accept connections and let `answer` do with them what it likes; yields `127.0.0.1:<port>`."""
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            await answer(reader, writer)
        except ConnectionError:
            return  # the client has had enough, which is what the tests are about
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything and never say a word."""
    while await reader.read(1024):
        pass


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    """Return once `condition` holds; TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not condition():  # what is waited for is often in another process
            await asyncio.sleep(0.01)
