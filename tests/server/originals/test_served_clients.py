"""Clients who leave, do not keep up or ask too much hold nothing up, and leave nothing behind."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from hookfetch.demo.repositories import Repository, create_repository
from hookfetch.originals.expiry import expire
from hookfetch.originals.locks import Lock
from tests.server.originals.serving import Served, client_git, serving

MIB = 1024**2
UPSTREAM = "https://git.example.org/big"
PLACE = "git/https/git.example.org/big"


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository whose pack no socket's buffers hold."""
    repository = create_repository(tmp_path_factory.mktemp("big"), "big")
    repository.commit({"noise": random.Random(0).randbytes(16 * MIB)}, "noise")
    return repository


def packs(served: Served) -> list[str]:
    """Return the commands of all processes that read a mirror of the server, whoever waits for them."""
    commands = (_command(process) for process in Path("/proc").glob("[0-9]*"))
    return [command for command in commands if str(served.folder.root) in command]


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:
        return ""


async def until(condition: Callable[[], object], within: float = 15.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def asking(served: Served, tip: str) -> AsyncIterator[asyncio.StreamReader]:
    """Ask for the whole pack, and read as the test does."""
    body = f"0032want {tip}\n00000009done\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port, limit=64 * 1024)
    try:
        writer.write(
            f"POST /originals/{PLACE}/git-upload-pack HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: application/x-git-upload-pack-request\r\n\r\n".encode()
            + body
        )
        assert b" 200 " in await reader.readline()
        yield reader
    finally:
        writer.close()


async def tip_of(served: Served) -> str:
    return (await client_git("ls-remote", f"{served.url}/{PLACE}", "refs/heads/main")).stdout[:40]


async def test_who_leaves_ends_the_process_and_frees_the_mirror_which_was_not_given_up_meanwhile(
    tmp_path: Path, big: Repository
) -> None:
    state = tmp_path / "state"
    async with serving(state) as served:
        original = served.mirror(UPSTREAM, big)
        async with asking(served, await tip_of(served)):
            assert packs(served)
            assert expire(state, 0).given_up == ()
        await until(lambda: not packs(served))
        await until(
            lambda: (lock := Lock.try_now(original.pin, shared=False)) is not None and lock.close() is None
        )
        assert [each.upstream for each in expire(state, 0).given_up] == [UPSTREAM]


async def test_who_does_not_keep_up_is_cut_off(tmp_path: Path, big: Repository) -> None:
    async with serving(tmp_path / "state", stall=0.3) as served:
        served.mirror(UPSTREAM, big)
        async with asking(served, await tip_of(served)) as reader:
            await until(lambda: not packs(served))
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(16 * MIB)


async def test_a_server_that_stops_leaves_no_process(tmp_path: Path, big: Repository) -> None:
    async with serving(tmp_path / "state", stall=60.0) as served:
        served.mirror(UPSTREAM, big)
        async with asking(served, await tip_of(served)):
            assert packs(served)
            await served.server.stop()
            assert not packs(served)


async def test_one_address_has_so_many_requests_and_so_many_connections_at_once(
    tmp_path: Path, big: Repository
) -> None:
    async with serving(tmp_path / "state", per_address=2) as served, aiohttp.ClientSession() as session:
        served.mirror(UPSTREAM, big)
        tip = await tip_of(served)
        async with asking(served, tip), asking(served, tip):
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(f"{served.url}/files/https/x/y")
        await until(lambda: not packs(served))
        async with session.get(f"{served.url}/files/https/x/y") as response:
            assert response.status == 404


async def test_there_are_so_many_connections_in_all(tmp_path: Path) -> None:
    async with serving(tmp_path / "state", connections=1) as served, aiohttp.ClientSession() as session:
        _, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        try:
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(f"{served.url}/files/https/x/y")
        finally:
            writer.close()


async def test_processes_are_waited_for_in_line(tmp_path: Path, big: Repository) -> None:
    async with serving(tmp_path / "state", processes=1) as served:
        served.mirror(UPSTREAM, big)
        url = f"{served.url}/{PLACE}"
        listed = await asyncio.gather(*(client_git("ls-remote", url) for _ in range(4)))
    assert len({done.stdout for done in listed}) == 1


async def test_an_answer_takes_so_long_and_no_longer(tmp_path: Path, big: Repository) -> None:
    async with serving(tmp_path / "state", deadline=1.5) as served:
        served.mirror(UPSTREAM, big)
        async with asking(served, await tip_of(served)):
            assert packs(served)
            await until(lambda: not packs(served))
