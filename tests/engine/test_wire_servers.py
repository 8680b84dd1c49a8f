"""Servers that are not well: what is fetched from them is left to git, and the mirror stays as it was."""

import asyncio
import gzip
from collections.abc import Mapping

import pytest
from aiohttp import web

from tests.engine.door import RESULT, Answer, question
from tests.engine.wire import ENVIRONMENT, Place, hang_up


def packet(line: bytes) -> bytes:
    return b"%04x" % (len(line) + 4) + line


async def real(request: web.Request, place: Place) -> bytes:
    """Return git's own answer."""
    command = ["git", "upload-pack", "--stateless-rpc", str(place.upstream.path)]
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**ENVIRONMENT, "GIT_PROTOCOL": "version=2"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    return (await process.communicate(await request.read()))[0]


STATUS = (404, 401, 403, 407, 410, 429, 500, 503, 204, 206)
BODIES: Mapping[str, bytes] = {
    "nothing": b"",
    "flush": b"0000",
    "garbage": b"zzzz garbage",
    "too short": b"0003",
    "cut": b"0040short",
    "an error": packet(b"ERR upload-pack: not our ref"),
    "an acknowledgment, and no more": packet(b"acknowledgments\n") + packet(b"ready\n") + b"0001",
    "no pack": packet(b"acknowledgments\n") + packet(b"ready\n") + b"0001" + packet(b"packfile\n") + b"0000",
    "a broken channel": (
        packet(b"acknowledgments\n")
        + packet(b"ready\n")
        + b"0001"
        + packet(b"packfile\n")
        + packet(b"\1PACK")
        + packet(b"\3died\xff\n")
        + b"0000"
    ),
    "a wrong pack": (
        packet(b"acknowledgments\n")
        + packet(b"ready\n")
        + b"0001"
        + packet(b"packfile\n")
        + packet(b"\1PACK nothing of the kind")
        + b"0000"
    ),
    "shallow": packet(b"acknowledgments\n")
    + packet(b"ready\n")
    + b"0001"
    + packet(b"shallow-info\n")
    + b"0000",
    "refs": packet(b"1" * 40 + b" refs/heads/main\n") + b"0000",
    "v0": packet(b"ACK " + b"1" * 40 + b" common\n") + packet(b"NAK\n") + b"PACK",
}


def status(number: int) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=number, headers={"Location": "/other", "WWW-Authenticate": "Basic"})

    return answer


def body(content: bytes, kind: str = RESULT, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=content, content_type=kind, headers=headers)

    return answer


FAULTS: Mapping[str, Answer] = {
    **{str(number): status(number) for number in (*STATUS, 301, 302, 307)},
    **{name: body(content) for name, content in BODIES.items()},
    "a page": body(b"<html>", "text/html"),
    "a page of refs": body(b"0000", "text/plain"),
    "packed wrongly": body(b"no gzip", **{"Content-Encoding": "gzip"}),
    "packed small": body(gzip.compress(bytes(9 * 1024 * 1024)), **{"Content-Encoding": "gzip"}),
    "hangs up": hang_up,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", ["ls-refs", "fetch"])
async def test_a_server_that_is_not_well_is_left_to_git(at: str, fault: str, place: Place) -> None:
    async def instead(request: web.Request) -> web.StreamResponse | None:
        return await FAULTS[fault](request) if await question(request) == at else None

    place.door.instead = instead
    place.upstream.commit({"a": "2"}, "more")
    before, had = place.files(), place.at()
    assert not await place.fetch()
    assert f"{at} x" in place.door.new()
    assert place.files() == before
    assert place.at() == had


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
async def test_a_pack_that_is_cut_off_is_left_to_git(part: float, place: Place) -> None:
    async def instead(request: web.Request) -> web.StreamResponse | None:
        if await question(request) != "fetch":
            return None
        whole = await real(request, place)
        return web.Response(body=whole[: int(len(whole) * part)], content_type=RESULT)

    place.upstream.commit({"a": "2"}, "more")
    place.door.instead = instead
    before = place.files()
    assert not await place.fetch()
    assert place.files() == before


async def test_a_pack_of_something_else_points_no_ref(place: Place) -> None:
    async def instead(request: web.Request) -> web.StreamResponse | None:
        if await question(request) != "fetch":
            return None
        body = await request.read()
        assert commit.encode() in body
        other_body = body.replace(f"want {commit}".encode(), f"want {other}".encode())
        other_request = request.clone()
        other_request._read_bytes = other_body  # noqa: SLF001 - aiohttp has no other way
        return web.Response(body=await real(other_request, place), content_type=RESULT)

    other = place.upstream.commit({"o": "2"}, "another", branch="other")
    place.upstream.point("refs/heads/other", place.at())
    other = place.upstream.commit({"o": "2"}, "another", branch="other")
    commit = place.upstream.commit({"a": "2"}, "more")
    place.door.instead = instead
    had = place.at()
    assert not await place.fetch()
    assert place.at() == had
    place.is_whole()


async def test_a_server_of_version_0_is_left_to_git(place: Place) -> None:
    async def instead(request: web.Request) -> web.StreamResponse | None:
        command = ["git", "upload-pack", "--stateless-rpc", str(place.upstream.path)]
        process = await asyncio.create_subprocess_exec(
            *command,
            env=ENVIRONMENT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        answer = (await process.communicate(await request.read()))[0]
        return web.Response(body=answer, content_type=RESULT)

    commit = place.upstream.commit({"a": "2"}, "more")
    place.door.instead = instead
    assert not await place.fetch()
    assert not await place.fetch(main=commit)


async def test_a_host_of_pages_is_asked_once(place: Place) -> None:
    place.door.instead = body(b"<html>", "text/html")
    for _ in range(3):
        assert not await place.fetch()
    assert place.door.new() == ["ls-refs x"]
