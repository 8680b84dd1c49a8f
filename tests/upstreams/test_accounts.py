"""An account goes to its host alone: over TLS or to this machine, in no log, and across no redirect."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from hookfetch.config import UpstreamConfig
from hookfetch.core.errors import ConfigurationError, Permanent
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.asking import Asking
from hookfetch.upstreams.pktline import Mark, mark, packet
from tests.upstreams.serving import routes

OID = "a" * 40
RESULT = "application/x-git-upload-pack-result"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("p@ss/word:%41\n")
    return path


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


def account(host: str, file: Path) -> Accounts:
    return Accounts([UpstreamConfig(host=host, user="me", password_file=file)])


@pytest.mark.parametrize(
    ("host", "url", "signed"),
    [
        ("example.org", "https://example.org/a.git", True),
        ("example.org", "https://EXAMPLE.org.:443/a.git", True),
        ("example.org", "https://git@example.org/a.git", True),
        ("example.org:8443", "https://example.org:8443/a.git", True),
        ("[::1]", "http://[::1]/a.git", True),
        ("127.0.0.1:80", "http://127.0.0.1/a.git", False),
        ("127.0.0.1", "http://127.0.0.1/a.git", True),
        ("localhost", "http://localhost/a.git", True),
        ("example.org", "http://example.org/a.git", False),
        ("10.0.0.1", "http://10.0.0.1/a.git", False),
        ("example.org", "https://example.org:8443/a.git", False),
        ("example.org", "https://other.example.org/a.git", False),
        ("example.org", "https://example.org.evil.net/a.git", False),
        ("example.org", "https://evil.net/example.org/a.git", False),
        ("example.org", "https://example.org@evil.net/a.git", False),
    ],
)
def test_an_account_is_for_its_host_and_a_private_way(host: str, url: str, signed: bool, file: Path) -> None:
    address = account(host, file).sign(URL(url))
    assert (address.password == "p@ss/word:%41") is signed
    assert (address.user == "me") is signed
    assert address.path == URL(url).path


def test_a_password_in_the_elements_own_url_is_left_alone(file: Path) -> None:
    url = URL("https://you:yours@example.org/a.git")
    assert account("example.org", file).sign(url) == url


def test_a_password_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    accounts = account("example.org", tmp_path / "none")
    with pytest.raises(
        ConfigurationError, match=r"none: upstream example.org: password_file: .* cannot be read"
    ):
        accounts.check()


async def test_a_private_repository_is_read_with_the_account_of_its_host_as_it_is_now(
    session: aiohttp.ClientSession, file: Path
) -> None:
    wanted = "p@ss/word:%41"

    async def private(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != aiohttp.encode_basic_auth("me", wanted):
            return web.Response(status=401)
        body = packet(f"{OID} refs/heads/main\n".encode()) + mark(Mark.FLUSH)
        return web.Response(body=body, content_type=RESULT)

    async with routes(web.route("*", "/{path:.*}", private)) as server:
        asking = Asking(session, account(server.removeprefix("http://"), file), 10)
        assert list(await asking.refs([f"{server}/a.git"], ("refs/heads/",))) == ["refs/heads/main"]
        wanted = "another"
        with pytest.raises(Permanent, match=r"401: .*\[\[upstream\]\]") as error:
            await asking.refs([f"{server}/a.git"], ("refs/heads/",))
        assert "p@ss" not in str(error.value)
        assert "me" not in str(error.value).partition("401")[0]
        await asyncio.to_thread(file.write_text, "another")
        assert await asking.refs([f"{server}/a.git"], ("refs/heads/",))


async def test_an_account_does_not_cross_a_redirect(session: aiohttp.ClientSession, file: Path) -> None:
    seen: list[tuple[str, bool]] = []

    async def other(request: web.Request) -> web.Response:
        seen.append(("other", "Authorization" in request.headers))
        return web.Response(status=404)

    async with routes(web.route("*", "/{path:.*}", other)) as elsewhere:

        async def here(request: web.Request) -> web.Response:
            seen.append(("here", "Authorization" in request.headers))
            raise web.HTTPFound(f"{elsewhere}{request.path_qs}")

        async with routes(web.route("*", "/{path:.*}", here)) as server:
            asking = Asking(session, account(server.removeprefix("http://"), file), 10)
            with pytest.raises(Permanent, match="404"):
                await asking.refs([f"{server}/a.git"], ("refs/heads/",))
    assert seen == [("here", True), ("here", True), ("other", False)]
