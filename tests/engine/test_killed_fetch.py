"""A worker that is killed in the middle of a download costs the time of that download, and nothing more."""

import asyncio
import os
import random
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from hookfetch.core.errors import Temporary
from hookfetch.demo.upstreams import make_application
from hookfetch.processes import marked
from tests.engine.lab import Lab, running
from tests.engine.test_originals import refs, repositories, run

pytestmark = pytest.mark.engine

AT_ONCE = 64 * 1024  # bytes of an answer, before the rest drips
PIECE, PAUSE = 1024, 0.1  # bytes and seconds
MANY = 10  # branches, more than are asked for one by one
WITHIN = 60.0  # seconds


@dataclass
class Dripping:
    """Upstreams whose packs come slowly while `on`."""

    root: Path
    on: bool = False

    @web.middleware
    async def drip(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.read()
        if not self.on or b"command=fetch\n" not in body:
            return await handler(request)
        repository = self.root / request.path.strip("/").removesuffix("/git-upload-pack")
        pack = await asyncio.to_thread(_upload_pack, repository, body)
        response = web.StreamResponse(headers={"Content-Type": "application/x-git-upload-pack-result"})
        await response.prepare(request)
        await response.write(pack[:AT_ONCE])
        for start in range(AT_ONCE, len(pack), PIECE):
            await asyncio.sleep(PAUSE)
            await response.write(pack[start : start + PIECE])
        return response


def _upload_pack(repository: Path, body: bytes) -> bytes:
    environment = {**os.environ, "GIT_PROTOCOL": "version=2"}
    command = ["git", "upload-pack", "--stateless-rpc", str(repository)]
    return subprocess.run(command, input=body, env=environment, capture_output=True, check=True).stdout


@asynccontextmanager
async def dripping(tmp_path: Path) -> AsyncIterator[tuple[Dripping, Lab]]:
    (tmp_path / "upstreams" / "it").mkdir(parents=True)
    server = Dripping(tmp_path / "upstreams")
    application = make_application(server.root)
    application.middlewares.append(server.drip)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield server, Lab(tmp_path, f"http://127.0.0.1:{runner.addresses[0][1]}/it", server.root / "it")
    finally:
        await runner.cleanup()


async def test_a_mirror_is_whole_after_a_worker_was_killed_in_the_middle_of_a_pack(tmp_path: Path) -> None:
    async with dripping(tmp_path) as (server, lab):
        repository = lab.repository("glib")
        lab.element("glib.bst", {"kind": "git", "url": "up:glib.git", "track": "main"})
        async with running(lab, None) as bench:
            await run(bench.engine, "glib.bst")
            (original,) = repositories(lab.root / "state")
            for number in range(MANY):  # so that git fetches, and not this process
                repository.commit({"a": str(number)}, "one of many", branch=f"topic-{number}")
            new = repository.commit({"noise": random.Random(0).randbytes(2**21)}, "big")

            server.on = True
            job = asyncio.create_task(run(bench.engine, "glib.bst"))
            unfinished = await _unfinished_pack(original.content)
            (worker,) = bench.engine.pids
            # Both before anyone looks: git that sees its other end go would remove what it has begun.
            for pid in worker, *_writing(lab.root / "state"):
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(Temporary, match="in the middle of a job"):
                await job
            assert unfinished.exists()

            server.on = False
            done = await run(bench.engine, "glib.bst")

    assert new in str(done.refs[0].ref)
    assert await asyncio.to_thread(_faults, original.content) == ""
    assert refs(original.content)["refs/heads/main"] == new


def _faults(mirror: Path) -> str:
    """Return what git has to say against a mirror, and what nobody has finished there."""
    check = ["git", "-C", str(mirror), "fsck", "--connectivity-only", "--no-dangling"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    unfinished = [*mirror.glob("**/*.lock"), *mirror.glob("objects/pack/tmp*")]
    return done.stdout + done.stderr + " ".join(map(str, unfinished))


def _writing(state_dir: Path) -> list[int]:
    """Return the processes of a worker that write a pack."""
    (token,) = state_dir.glob("engine/lab/*/token")
    marks = marked(token.read_text())
    found = [pid for pid in marks if b"index-pack" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert found
    return found


async def _unfinished_pack(mirror: Path) -> Path:
    """Return the pack that git is writing, once some of it has come."""
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        found = await asyncio.to_thread(_growing, mirror)
        if found is not None:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("no pack came")


def _growing(mirror: Path) -> Path | None:
    packs = mirror.glob("objects/pack/tmp_pack_*")
    return next((path for path in packs if path.stat().st_size > 0), None)
