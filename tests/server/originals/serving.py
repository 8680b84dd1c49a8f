"""A server of originals over a folder that a test fills, with real repositories and files."""

import asyncio
import hashlib
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hookfetch.demo.repositories import ISOLATED, Repository
from hookfetch.originals.folder import Folder, Original, repository_name
from hookfetch.server.originals.access import MayRead, shared_alone
from hookfetch.server.originals.connections import Connections
from hookfetch.server.originals.limits import Limits
from hookfetch.server.originals.server import OriginalsServer

PROJECTS = ("p", "q")
FIRST = 1_700_000_000.0  # when a test's first file came; each further one comes a second later


@dataclass
class Served:
    """The server at `url`, and the folder that it serves."""

    server: OriginalsServer
    folder: Folder

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/originals"

    def mirror(self, upstream: str, repository: Repository, project: str | None = None) -> Original:
        """Have a mirror of `repository`, as if it had been fetched from `upstream`."""
        name = repository_name(upstream)

        def fill(path: Path) -> None:
            git("clone", "--quiet", "--mirror", str(repository.path), str(path))

        original = self._original("git", name, project)
        self.folder.make(original, "git", name, fill)
        return original

    def file(self, upstream: str, *contents: bytes, project: str | None = None) -> Original:
        """Have files of `upstream`, the newest last."""
        original = self._original("files", upstream, project)
        self.folder.make(original, "files", upstream, Path.mkdir)
        for number, content in enumerate(contents):
            path = original.content / hashlib.sha256(content).hexdigest()
            path.write_bytes(content)
            path.with_name(f"{path.name}.etag").write_text('"theirs"')
            os.utime(path, (FIRST + number,) * 2)
        return original

    def _original(self, kind: str, upstream: str, project: str | None) -> Original:
        return (
            self.folder.shared(kind, upstream)
            if project is None
            else self.folder.own(project, kind, upstream)
        )


@asynccontextmanager
async def serving(
    state: Path,
    may_read: MayRead = shared_alone,
    *,
    connections: int = 100,
    per_address: int = 50,
    processes: int = 8,
    deadline: float = 60.0,
    stall: float = 20.0,
) -> AsyncIterator[Served]:
    server = OriginalsServer(
        Folder.of(state),
        PROJECTS,
        may_read,
        listen="127.0.0.1:0",
        connections=Connections(connections, per_address, ()),
        limits=Limits(per_address=per_address, processes=processes, deadline=deadline, stall=stall),
    )
    await server.start()
    try:
        yield Served(server, Folder.of(state))
    finally:
        await server.stop()


def git(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run git as a client with no configuration of its own."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **ISOLATED}
    return subprocess.run(
        ["git", *arguments], env=environment, capture_output=True, text=True, check=check, timeout=60
    )


async def client_git(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run git while this test's server answers it."""
    return await asyncio.to_thread(lambda: git(*arguments, check=check))
