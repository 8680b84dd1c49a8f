"""An upstream with a door, and a mirror that fetches from it without a process."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from hookfetch.demo.repositories import ISOLATED, Repository, create_repository
from hookfetch.engine.fetching.quick_fetch import fetch_quickly
from tests.engine.door import Door, door_of

MAIN = "refs/heads/main"
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/local/bin", **ISOLATED}


def git(path: Path, *arguments: str) -> str:
    command = ["git", "-C", str(path), *arguments]
    return subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout.strip()


@dataclass
class Place:
    """An upstream `x`, its door, and a bare mirror of its first commit."""

    door: Door
    upstream: Repository
    mirror: Path

    @property
    def url(self) -> str:
        return f"{self.door.url}/x.git"

    async def fetch(self, ref: str = MAIN, what: str | None = None, **refs: str) -> bool:
        """Fetch a ref, or the commit `what` under that name; `main` is what was told of the branch."""
        known = {f"refs/heads/{name}": at for name, at in refs.items()}
        return await asyncio.to_thread(fetch_quickly, self.mirror, self.url, {ref: what or ref}, known)

    def at(self, ref: str = MAIN) -> str:
        return git(self.mirror, "rev-parse", ref)

    def files(self) -> set[Path]:
        return set(self.mirror.rglob("*"))

    def is_whole(self) -> None:
        git(self.mirror, "fsck", "--full", "--strict")


@asynccontextmanager
async def place_below(folder: Path) -> AsyncIterator[Place]:
    upstream = create_repository(folder, "x")
    upstream.commit({"a": "1", "b/c": "2"}, "first")
    mirror = folder / "mirror.git"
    git(folder, "clone", "--quiet", "--bare", str(upstream.path), str(mirror))
    async with door_of(folder) as door:
        yield Place(door, upstream, mirror)


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Lose the connection."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
