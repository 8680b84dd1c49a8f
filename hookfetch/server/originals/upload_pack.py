"""Runs `git upload-pack` on a mirror: a process with a deadline that ends, with all its children, however
this one ends. It reads the mirror and nothing else, not even the configuration of this machine.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from hookfetch.core.errors import Temporary

PIECE = 64 * 1024  # bytes
# Commits without a name of their own (a branch was rewritten, a tag moved) may be asked for as large forges
# let them: projects' refs name them. What names them here is not shown.
_CONFIGURATION = {
    "safe.directory": "*",  # workers may run as another user
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.hideRefs": "refs/hookfetch",
    "pack.threads": "1",
    "pack.windowMemory": "128m",
}
_MOST_SAID = 4096  # bytes of complaints


class Pack:
    """What a process says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._begun = False

    async def read(self) -> bytes:
        """Return the next piece, empty at the end; Temporary when the process failed without a word. With
        one, it has told the client why, and what is not whole says so itself (gitprotocol-pack(5))."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        if piece := await self._process.stdout.read(PIECE):
            self._begun = True
            return piece
        said = await self._process.stderr.read(_MOST_SAID)
        if await self._process.wait() and not self._begun:
            lines = said.decode("utf-8", "replace").strip().splitlines()
            raise Temporary(lines[-1][:300] if lines else "git upload-pack ended without an answer")
        return b""


@contextlib.asynccontextmanager
async def upload_pack(mirror: Path, version: int, body: bytes | None, within: float) -> AsyncIterator[Pack]:
    """Give what `git upload-pack` answers to `body`, or, with None, what refs there are, for a client that
    speaks a version of git's protocol (gitprotocol-v2(5)); it is ended after `within` seconds."""
    mode = ["--http-backend-info-refs"] if body is None else []
    process = await asyncio.create_subprocess_exec(
        # So that it ends should this process be killed.
        *("timeout", "--signal=KILL", f"{within:g}"),
        *("git", "upload-pack", "--stateless-rpc", "--strict", *mode, str(mirror)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(version),
        cwd="/",
        start_new_session=True,  # a group of its own: git's children end with it
        limit=2 * PIECE,
    )
    assert process.stdin is not None
    feeding = asyncio.create_task(_feed(process.stdin, body or b""))
    try:
        yield Pack(process)
    finally:
        feeding.cancel()
        with contextlib.suppress(ProcessLookupError):  # all of it ended already
            os.killpg(process.pid, signal.SIGKILL)
        # What is still in its pipes is read, or asyncio would hold them open.
        await asyncio.shield(asyncio.gather(feeding, process.communicate(), return_exceptions=True))


async def _feed(stdin: asyncio.StreamWriter, body: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # it ended before it had read all: its answer says why
        stdin.write(body)
        await stdin.drain()
        stdin.close()


def _environment(version: int) -> dict[str, str]:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_CONFIG_COUNT": str(len(_CONFIGURATION)),
    }
    for number, (key, value) in enumerate(_CONFIGURATION.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    if version:
        environment["GIT_PROTOCOL"] = f"version={version}"
    return environment
