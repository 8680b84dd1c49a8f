"""A service that is killed while it fetches its clone leaves git behind; the next one ends it and goes on."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

from hookfetch.demo.repositories import create_repository
from hookfetch.demo.upstreams import UpstreamServer
from hookfetch.processes import marked
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.clone import Clone
from tests.upstreams.serving import raw_server

_FETCH = """
import asyncio, sys
from pathlib import Path
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.clone import Clone
asyncio.run(Clone(sys.argv[1], Path(sys.argv[2]), Accounts(())).newest("main"))
"""
WITHIN = 20.0


async def test_what_a_killed_process_left_running_is_ended_and_the_clone_is_fetched(tmp_path: Path) -> None:
    repository = create_repository(tmp_path / "served", "project")
    first = repository.commit({"a": "1"}, "one")
    clones = tmp_path / "clones"
    connected = asyncio.Event()

    async def hang_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if connected.is_set():
            await _pass_on(reader, writer, server.url)
            return
        connected.set()
        await reader.read()  # until git is ended

    with UpstreamServer(tmp_path / "served") as server:
        async with raw_server(hang_once) as place:
            url = f"http://{place}/project.git"
            clone = Clone(url, clones, Accounts(()))
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", _FETCH, url, str(clones))
            await asyncio.wait_for(connected.wait(), WITHIN)
            token = clone.directory.with_suffix(".work").read_text().strip()
            process.send_signal(signal.SIGKILL)
            await process.wait()
            assert len(list(marked(token))) >= 2  # git and what it runs to ask, which nobody waits for
            for name in (
                "refs/heads/main.lock",
                "objects/pack/tmp_pack_x",
            ):  # as one leaves them who dies later
                (clone.directory / name).touch()

            assert await clone.newest("main") == first
            assert list(marked(token)) == []
    assert not list(clone.directory.rglob("*.lock"))
    assert not list(clone.directory.glob("objects/pack/tmp*"))
    assert clone.directory.with_suffix(".work").read_text() == ""
    check = ["git", "-C", str(clone.directory), "fsck", "--connectivity-only"]
    await asyncio.to_thread(subprocess.run, check, check=True)


async def test_two_processes_fetch_a_clone_one_after_the_other(tmp_path: Path) -> None:
    repository = create_repository(tmp_path / "served", "project")
    commit = repository.commit({"a": "1"}, "one")
    clones = tmp_path / "clones"
    with UpstreamServer(tmp_path / "served", delay=0.2) as server:
        url = repository.url(server.url)
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", _FETCH, url, str(clones))
        clone = Clone(url, clones, Accounts(()))
        began = time.monotonic()
        while time.monotonic() - began < WITHIN and process.returncode is None:
            assert await clone.newest("main") == commit
            await asyncio.sleep(0)
        assert await process.wait() == 0


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> None:
    """Be a wire to the server at `url`."""
    host, _, port = url.removeprefix("http://").partition(":")
    back, forth = await asyncio.open_connection(host, int(port))

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(64 * 1024):
            target.write(piece)
            await target.drain()
        target.close()

    await asyncio.gather(copy(reader, forth), copy(back, writer), return_exceptions=True)
