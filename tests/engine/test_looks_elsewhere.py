"""A look at an upstream that is not what it was: one that moved, refuses, hangs or loses its connections."""

import asyncio

import pytest
from aiohttp import web

from hookfetch.demo.repositories import Repository
from tests.engine.door import ADVERTISED, question
from tests.engine.hosts import Followed
from tests.upstreams.serving import until

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

STALL = 4.0  # seconds; a busy machine answers late, too


async def test_a_host_that_no_longer_speaks_version_2_is_asked_anew(host: Followed) -> None:
    async def old(request: web.Request) -> web.StreamResponse | None:
        if await question(request) == "greeting":
            return web.Response(body=await advertised(repository), content_type=ADVERTISED)
        return None if b"want " in await request.read() else web.Response(status=400)

    repository = await host.known()
    commit = repository.commit({"a": "1"}, "more")
    host.door.instead = old
    assert await host.track("known") == [commit]
    assert host.door.new()[:2] == ["ls-refs known", "greeting known"]
    commit = repository.commit({"a": "2"}, "more")
    assert await host.track("known") == [commit]
    assert host.door.new()[:1] == ["greeting known"]
    host.door.instead = None  # and back again
    commit = repository.commit({"a": "3"}, "more")
    assert await host.track("known") == [commit]
    host.door.new()
    await host.track("known")
    assert host.door.new() == ["ls-refs known"]


async def advertised(repository: Repository) -> bytes:
    command = ["git", "upload-pack", "--http-backend-info-refs", "--stateless-rpc", str(repository.path)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    refs = (await process.communicate())[0]
    return b"001e# service=git-upload-pack\n0000" + refs


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_repository_that_moved_is_followed(status: int, host: Followed) -> None:
    async def moved(request: web.Request) -> web.StreamResponse | None:
        if not request.path.startswith("/known.git/"):
            return None
        there = request.path_qs.replace("/known.git/", "/moved.git/")
        return web.Response(status=status, headers={"Location": there})

    await host.known()
    repository = host.repository("moved")
    commit = repository.commit({"a": "1"}, "more")
    host.door.instead = moved
    assert await host.track("known") == [commit]
    commit = repository.commit({"a": "2"}, "more")
    assert await host.track("known") == [commit]
    host.door.new()
    host.element("moved")
    assert await host.track("moved") == [commit]
    assert host.door.new()[0] in ("ls-refs moved", "greeting moved")


async def test_a_repository_that_begins_by_moving_teaches_no_greeting(host: Followed) -> None:
    async def moved(request: web.Request) -> web.StreamResponse | None:
        if request.path.startswith("/old.git/"):
            raise web.HTTPFound(request.path_qs.replace("/old.git/", "/new.git/"))
        return None

    commit = host.repository("new").commit({"a": "1"}, "more")
    host.element("old")
    host.door.instead = moved
    assert await host.track("old") == [commit]
    host.door.new()
    assert await host.track("old") == [commit]
    assert host.door.new()[:2] == ["greeting old", "greeting new"]


async def answer_status(status: int) -> web.StreamResponse:
    return web.Response(status=status, headers={"WWW-Authenticate": 'Basic realm="lab"'})


@pytest.mark.parametrize(
    ("status", "said"), [(404, "is gone or not public"), (401, "wants a password"), (503, "503")]
)
async def test_a_repository_that_refuses_is_asked_once_and_its_failure_is_the_plugins(
    status: int, said: str, host: Followed
) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse | None:
        return await answer_status(status) if request.path.startswith("/gone.git/") else None

    host.door.instead = refuse
    host.element("gone")
    failure = await host.fails("gone")
    assert f"Failed to track {host.door.url}/gone.git" in failure
    assert said in failure
    assert host.door.new() == ["greeting gone"]
    assert not host.door.by_git
    await host.known()
    assert await host.fails("gone") == failure
    assert host.door.new() == ["ls-refs gone", "greeting gone"]  # it may have been the greeting


async def test_a_repository_that_hangs_is_asked_once(host: Followed) -> None:
    async def hang(request: web.Request) -> web.StreamResponse | None:
        await done.wait()
        return None

    done = asyncio.Event()
    host.door.instead = hang
    host.element("slow")
    failure = await host.fails("slow")
    assert "the host stalls" in failure
    assert host.door.new() == ["greeting slow"]
    done.set()


async def test_a_repository_with_nothing_to_follow_fails_as_the_plugin_says(host: Followed) -> None:
    host.repository("bare")
    host.element("bare", {"track": "none-*"})
    assert "No matching refs" in await host.fails("bare")
    assert host.door.new() == ["greeting bare", "ls-refs bare"]


async def test_a_connection_that_was_closed_costs_no_job(host: Followed) -> None:
    repository = await host.known("closing")
    for number in range(3):
        host.door.close_connections()
        await until(lambda: not host.door.connections)
        commit = repository.commit({"a": str(number)}, "more")
        assert await host.track("closing") == [commit]
        assert host.door.new() == ["ls-refs closing", "fetch closing"]


async def test_nor_does_one_that_is_closed_just_then(host: Followed) -> None:
    lost = []

    async def lose(request: web.Request) -> web.StreamResponse | None:
        asked = await question(request)
        if asked in lost:
            return None
        lost.append(asked)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    repository = host.repository("lossy")
    host.element("lossy")
    host.door.instead = lose
    assert await host.track("lossy") == [repository.commit_of("refs/heads/main")]
    assert {"greeting", "ls-refs"} <= set(lost)
    lost.clear()
    assert await host.track("lossy") == [repository.commit_of("refs/heads/main")]
