import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hookfetch.client import Client, Unavailable
from hookfetch.server.grpc.server import GrpcServer
from tests.server.grpc.gateway_lab import PROJECTS, announce, entry, gateway, keys, take, until


async def test_a_watch_comes_back_after_the_gateway_and_misses_nothing_in_between(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1)) as lab, lab.client.watch(start="oldest") as watch:
        assert keys(await take(watch, 1)) == ["key-1"]
        waiting = asyncio.create_task(take(watch, 3, seconds=20))
        await lab.server.stop(0)
        await announce(lab.bus, entry(2), entry(3), entry(2))
        second = GrpcServer(lab.bus, PROJECTS, lab.target)
        await second.start()
        await announce(lab.bus, entry(4))
        assert keys(await waiting) == ["key-2", "key-3", "key-4"]
        await second.stop(0)


async def test_a_watch_begun_from_now_comes_back_to_where_it_began(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1)) as lab, lab.client.watch() as watch:
        waiting = asyncio.create_task(take(watch, 1, seconds=20))
        await until(lambda: watch.cursor is not None)
        await lab.server.stop(0)
        await announce(lab.bus, entry(2))
        second = GrpcServer(lab.bus, PROJECTS, lab.target)
        await second.start()
        assert keys(await waiting) == ["key-2"]
        await second.stop(0)


async def test_a_watch_without_a_server_gives_up_after_its_patience() -> None:
    async with Client("127.0.0.1:1") as client:
        before = time.monotonic()
        with pytest.raises(Unavailable, match=r"^no server for 0\.5 s: .+$"):
            await take(client.watch(patience=0.5), 1)
        assert 0.5 <= time.monotonic() - before < 5


async def test_calls_without_a_server_are_unavailable_in_one_line() -> None:
    async with Client("127.0.0.1:1") as client:
        for call in (client.list(), client.track("gnome", "a.bst"), client.fetch("gnome", "a.bst")):
            with pytest.raises(Unavailable) as caught:
                await call
            assert "\n" not in str(caught.value)


async def test_leaving_a_watch_ends_its_call(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1)) as lab:
        async with lab.client.watch(start="oldest") as watch:
            await take(watch, 1)
        with pytest.raises(StopAsyncIteration):
            await anext(watch)


def test_the_client_imports_neither_buildstream_nor_a_server() -> None:
    code = (
        "import sys, hookfetch.client;"
        "heavy = {'buildstream', 'aiohttp', 'aio_pika', 'hookfetch.server', 'hookfetch.bus'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
