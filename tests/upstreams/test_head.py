"""What a server says of a file is asked for without the file."""

from collections.abc import Callable, Mapping
from functools import partial

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from hookfetch.core.errors import Permanent, Temporary
from hookfetch.core.files import Validators
from hookfetch.upstreams.head import MAX_VALIDATOR, validators_of
from hookfetch.upstreams.hosts import TooMuch
from tests.upstreams.serving import hang, raw_server, routes

NOON = "Sat, 01 Jun 2024 12:00:00 GMT"
SAID = {"ETag": '"a"', "Last-Modified": NOON}


async def ask(url: str, timeout: float = 5.0) -> Validators:
    async with aiohttp.ClientSession() as session:
        return await validators_of(session, URL(url), timeout)


async def head(request: web.Request) -> web.StreamResponse:
    match request.match_info["path"]:
        case "good":
            return web.Response(headers=SAID, body=b"12345")
        case "silent":
            return web.Response(headers={"ETag": "x" * (MAX_VALIDATOR + 1)})
        case "get":
            raise web.HTTPMethodNotAllowed("HEAD", ["GET"])
    raise REFUSALS.get(request.match_info["path"], web.HTTPNotFound)()


async def endless(request: web.Request) -> web.StreamResponse:
    """Send more than fits into any buffer: who waits for the end of it waits for ever."""
    response = web.StreamResponse(headers={**SAID, "Content-Length": str(10**12)})
    await response.prepare(request)
    while True:
        await response.write(b"0" * 65536)


REFUSALS: Mapping[str, Callable[[], web.HTTPException]] = {
    "moved": partial(web.HTTPFound, "/good"),
    "loop": partial(web.HTTPFound, "/loop"),
    "away": partial(web.HTTPFound, "http://localhost/x"),
    "file": partial(web.HTTPFound, "file:///etc/passwd"),
    "private": web.HTTPUnauthorized,
    "busy": partial(web.HTTPTooManyRequests, headers={"Retry-After": "7"}),
    "broken": web.HTTPBadGateway,
}
TABLE = (web.head("/{path}", head), web.get("/get", endless, allow_head=False))


async def test_validators_are_read_from_the_head_alone() -> None:
    async with routes(*TABLE) as server:
        assert await ask(f"{server}/good") == Validators(etag='"a"', last_modified=NOON, length=5)
        assert await ask(f"{server}/moved") == Validators(etag='"a"', last_modified=NOON, length=5)
        assert await ask(f"{server}/get") == Validators(etag='"a"', last_modified=NOON, length=10**12)
        assert await ask(f"{server}/silent") == Validators()


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("loop", Permanent, "redirected more than 5 times"),
        ("away", Permanent, "redirected to another host without https"),
        ("file", Permanent, "redirected to file scheme"),
        ("private", Permanent, "401: it asks for a password"),
        ("vanished", Permanent, "404: no such file"),
        ("broken", Temporary, "the server answers 502"),
        ("busy", TooMuch, "429 and is left alone for 7 s"),
    ],
)
async def test_a_bad_answer_is_told_in_one_line(path: str, kind: type[Exception], said: str) -> None:
    async with routes(*TABLE) as server:
        with pytest.raises(kind, match=said) as failure:
            await ask(server.replace("://", "://user:secret@") + f"/{path}?token=secret")
    assert str(failure.value).startswith(f"{server}/{path}: ")


async def test_a_server_that_hangs_is_given_up() -> None:
    async with raw_server(hang) as place:
        with pytest.raises(Temporary, match=r"no answer within 0\.2 s"):
            await ask(f"http://{place}/a.tar", timeout=0.2)
