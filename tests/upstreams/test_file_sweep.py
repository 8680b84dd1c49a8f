"""A file at a fixed address that becomes another one is found without being downloaded."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from hookfetch.core.errors import Temporary
from hookfetch.core.events import FileChanged
from hookfetch.core.files import KnownFile, Validators
from hookfetch.core.matching import Index
from hookfetch.core.observation import is_swept
from hookfetch.core.sources import Element, Source
from hookfetch.demo.upstreams import create_tarball
from hookfetch.store.database import Database
from hookfetch.store.files import SeenFiles
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.asking import Asking
from hookfetch.upstreams.file_sweep import FileSweep
from hookfetch.upstreams.hosts import Hosts
from tests.upstreams.serving import Log, git_server, hang, raw_server, routes, until

TURN = 0.1  # seconds
NEVER = 3600.0


class Files:
    """Files that are followed, what is known of them in a real store, and the facts that were accepted."""

    def __init__(self, database: Database) -> None:
        self.urls: list[str] = []
        self.facts: list[FileChanged] = []
        self.known = SeenFiles(database, time.time)

    def index(self) -> Index:
        return Index.of(
            Element(name=url, kind="import", sources=(Source(index=0, kind="tar", urls=(url,)),))
            for url in self.urls
        )

    async def accept(self, facts: Sequence[FileChanged]) -> None:
        self.facts += facts

    async def until_known(self, url: str, wanted: bool) -> None:
        async with asyncio.timeout(10.0):
            while (await self.known.known_file(url) is not None) != wanted:
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def sweeping(self, turn: float = TURN) -> AsyncIterator[FileSweep]:
        async with aiohttp.ClientSession() as session:
            sweep = FileSweep(
                index=self.index,
                known=self.known,
                accept=self.accept,
                hosts=Hosts(at_once=4, per_host=2, rate=1000.0, clock=time.monotonic),
                ask=Asking(session, Accounts(()), 2.0).file,
                least=turn,
                most=turn,
                clock=time.time,
            )
            sweep.refresh()
            try:
                yield sweep
            finally:
                await sweep.close()


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Files]:
    database = Database(tmp_path / "store.sqlite")
    await database.open()
    yield Files(database)
    await database.close()


async def test_a_replaced_file_is_told_once_and_never_downloaded(files: Files, tmp_path: Path) -> None:
    create_tarball(tmp_path, "top-1.tar.gz", {"top/a": "1"})
    log = Log()
    async with git_server(tmp_path, log) as server:
        files.urls = [f"{server}/top-1.tar.gz"]
        async with files.sweeping():
            await until(lambda: len(log.requests) >= 3)
            assert files.facts == []
            create_tarball(tmp_path, "top-1.tar.gz", {"top/a": "another"})
            await until(lambda: files.facts)
            asked = len(log.requests)
            await until(lambda: len(log.requests) >= asked + 3)
    (fact,) = files.facts
    assert fact.urls == (files.urls[0],)
    assert is_swept(fact)
    assert set(log.requests) == {"HEAD /top-1.tar.gz"}


async def test_what_changed_while_nobody_looked_is_told_at_the_next_look(
    files: Files, tmp_path: Path
) -> None:
    create_tarball(tmp_path, "top-1.tar.gz", {"top/a": "1"})
    log = Log()
    async with git_server(tmp_path, log) as server:
        files.urls = [f"{server}/top-1.tar.gz"]
        async with files.sweeping(NEVER):
            await until(lambda: log.requests)
            await files.until_known(files.urls[0], True)
        create_tarball(tmp_path, "top-1.tar.gz", {"top/a": "another"})
        async with files.sweeping():
            await until(lambda: files.facts)


async def test_a_bad_server_costs_no_other_file_anything(files: Files, tmp_path: Path) -> None:
    create_tarball(tmp_path, "top-1.tar.gz", {"top/a": "1"})

    async def gone(request: web.Request) -> web.Response:
        return web.Response(status=404)

    async with (
        git_server(tmp_path, Log()) as good,
        raw_server(hang) as hanging,
        routes(web.route("*", "/{path:.*}", gone)) as bad,
    ):
        files.urls = [f"{bad}/{n}.tar" for n in range(5)] + [f"http://{hanging}/{n}.tar" for n in range(5)]
        files.urls.append(f"{good}/top-1.tar.gz".replace("127.0.0.1", "localhost"))
        with capture_logs() as said:
            async with files.sweeping():
                await until(lambda: len(said) >= 5)
                await files.until_known(files.urls[-1], True)
                create_tarball(tmp_path, "top-1.tar.gz", {"top/a": "another"})
                await until(lambda: files.facts)
    assert any("404: no such file" in str(line["error"]) for line in said)


async def test_a_store_that_fails_for_a_while_is_not_hammered_and_ends_no_file(
    files: Files, tmp_path: Path
) -> None:
    create_tarball(tmp_path, "top-1.tar.gz", {"top/a": "1"})
    asked: list[str] = []
    known_file = files.known.known_file

    async def fail_thrice(url: str) -> KnownFile | None:
        asked.append(url)
        if len(asked) <= 3:
            raise Temporary("the store is locked")
        return await known_file(url)

    files.known.known_file = fail_thrice  # type: ignore[method-assign]
    log = Log()
    began = time.monotonic()
    async with git_server(tmp_path, log) as server:
        files.urls = [f"{server}/top-1.tar.gz"]
        async with files.sweeping():
            await until(lambda: log.requests)
    assert time.monotonic() - began >= 3 * TURN
    assert len(asked) in (4, 5)  # its next turn may have begun


async def test_what_nobody_follows_any_more_is_forgotten(files: Files, tmp_path: Path) -> None:
    create_tarball(tmp_path, "top-1.tar.gz", {"top/a": "1"})
    await files.known.remember_file("http://example.org/old.tar", Validators(etag='"a"'), changed=True)
    known = await files.known.known_file("http://example.org/old.tar")
    assert known is not None
    assert known.changed_at is not None
    async with files.sweeping(NEVER):
        await files.until_known("http://example.org/old.tar", False)
