"""A git server of this process that writes down what it is asked, and answers otherwise if told to."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from hookfetch.demo.upstreams import make_application

Answer = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
ADVERTISED = "application/x-git-upload-pack-advertisement"
RESULT = "application/x-git-upload-pack-result"


@dataclass
class Door:
    """`asked` has each question and its repository, as `greeting x`, `ls-refs x` or `fetch x`; `by_git` has
    what git's own processes ask. What `instead` returns is answered in git's place, unless it is None."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    by_git: list[str] = field(default_factory=list)
    instead: Answer | None = None

    server: web.Server | None = None

    @property
    def connections(self) -> list[Any]:
        """Return those that are open."""
        assert self.server is not None
        return self.server.connections

    def close_connections(self) -> None:
        """Close every connection."""
        for connection in self.connections:
            if connection.transport is not None:  # else it is closing already
                connection.transport.close()

    def new(self) -> list[str]:
        """Return what was asked since the last time that this was called."""
        asked, self.asked = self.asked, []
        return asked


async def question(request: web.Request) -> str:
    """Return what is asked."""
    if request.method == "GET":
        return "greeting"
    said = re.search(rb"command=([a-z-]+)", await request.read())
    return said[1].decode() if said else "fetch of v0"


@asynccontextmanager
async def door_of(root: Path) -> AsyncIterator[Door]:
    """Serve the repositories below `root`."""
    door = Door()

    @web.middleware
    async def ask(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = re.sub(r"\.git/.*", "", request.path).strip("/")
        asked = f"{await question(request)} {name}"
        process = re.match(r"git/[0-9]", request.headers.get("User-Agent", ""))
        (door.by_git if process else door.asked).append(asked)
        answer = None if door.instead is None else await door.instead(request)
        return await handler(request) if answer is None else answer

    application = make_application(root)
    application.middlewares.append(ask)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        door.server = runner.server
        door.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield door
    finally:
        await runner.cleanup()
