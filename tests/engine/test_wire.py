"""A few commits, fetched from a real git server without a process; git itself where that is not possible."""

import asyncio
import gzip
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio
from aiohttp import web

from hookfetch.demo.repositories import ISOLATED, Repository, create_repository
from hookfetch.engine.fetching.quick_fetch import fetch_quickly
from hookfetch.engine.mirrors import mirror_of, refresh_for_tracking
from tests.engine.door import RESULT, Answer, Door, door_of, question
from tests.upstreams.serving import until

MAIN = "refs/heads/main"
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/local/bin", **ISOLATED}


def git(path: Path, *arguments: str) -> str:
    command = ["git", "-C", str(path), *arguments]
    return subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout.strip()


@dataclass
class Place:
    """An upstream `x`, its door, and a bare mirror of its first commit."""

    door: Door
    upstream: Repository
    mirror: Path

    @property
    def url(self) -> str:
        return f"{self.door.url}/x.git"

    async def fetch(self, ref: str = MAIN, what: str | None = None, **refs: str) -> bool:
        """Fetch a ref, or the commit `what` under that name; `main` is what was told of the branch."""
        known = {f"refs/heads/{name}": at for name, at in refs.items()}
        return await asyncio.to_thread(fetch_quickly, self.mirror, self.url, {ref: what or ref}, known)

    def at(self, ref: str = MAIN) -> str:
        return git(self.mirror, "rev-parse", ref)

    def files(self) -> set[Path]:
        return set(self.mirror.rglob("*"))

    def is_whole(self) -> None:
        git(self.mirror, "fsck", "--full", "--strict")


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    upstream = create_repository(tmp_path, "x")
    upstream.commit({"a": "1", "b/c": "2"}, "first")
    mirror = tmp_path / "mirror.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(upstream.path), str(mirror))
    async with door_of(tmp_path) as door:
        yield Place(door, upstream, mirror)


# What it is for.


async def test_a_new_commit_arrives_with_two_questions_and_no_process(place: Place) -> None:
    for number in range(3):
        commit = place.upstream.commit({"a": str(number), f"d/{number}": "x"}, "more")
        assert await place.fetch()
        assert place.door.new() == ["ls-refs x", "fetch x"]
        assert place.at() == commit
    assert not place.door.by_git
    place.is_whole()


async def test_of_a_known_tip_the_pack_alone_is_asked_for(place: Place) -> None:
    commit = place.upstream.commit({"a": "2"}, "more")
    assert await place.fetch(main=commit)
    assert place.door.new() == ["fetch x"]
    assert place.at() == commit


async def test_of_an_exact_commit_too(place: Place) -> None:
    commit = place.upstream.commit({"a": "2"}, "more")
    place.upstream.commit({"a": "3"}, "and more")
    assert await place.fetch("refs/hookfetch/01", commit)
    assert place.door.new() == ["fetch x"]
    assert place.at("refs/hookfetch/01") == commit
    place.is_whole()


async def test_what_is_had_is_not_asked_for(place: Place) -> None:
    had = place.at()
    assert await place.fetch()
    assert place.door.new() == ["ls-refs x"]
    assert await place.fetch("refs/heads/other", had)
    assert await place.fetch("refs/heads/third", main=had, third=had)
    assert place.door.new() == []
    assert place.at("refs/heads/other") == place.at("refs/heads/third") == had


async def test_an_annotated_tag_comes_by_its_name(place: Place) -> None:
    commit = place.upstream.commit({"a": "2"}, "more")
    place.upstream.tag("v1", message="one")
    assert await place.fetch("refs/tags/v1")
    assert git(place.mirror, "cat-file", "-t", "refs/tags/v1") == "tag"
    assert place.at("refs/tags/v1^{commit}") == commit
    place.is_whole()


async def test_a_branch_that_went_back_and_on_is_followed(place: Place) -> None:
    first = place.at()
    place.upstream.commit({"a": "2"}, "more")
    assert await place.fetch()
    place.upstream.point(MAIN, first)
    assert await place.fetch()
    assert place.at() == first
    forced = place.upstream.commit({"a": "3"}, "another")
    assert await place.fetch()
    assert place.at() == forced
    place.is_whole()


async def test_of_hundreds_of_branches_only_what_is_new_is_sent(place: Place) -> None:
    first = place.at()
    place.upstream.commit({f"f{number}": str(number) for number in range(600)}, "large")
    git(place.mirror, "fetch", "--quiet", str(place.upstream.path), f"+{MAIN}:{MAIN}")
    for number in range(40):
        git(place.mirror, "update-ref", f"refs/heads/b{number:02}", first)
    commit = place.upstream.commit({"a": "2"}, "small")
    assert await place.fetch()
    assert place.at() == commit


async def test_it_calls_itself_git_as_forges_want_it(place: Place) -> None:
    async def forge(request: web.Request) -> web.StreamResponse | None:
        return None if request.headers["User-Agent"].startswith("git/") else web.Response(status=403)

    place.door.instead = forge
    place.upstream.commit({"a": "2"}, "more")
    assert await place.fetch()


# What it leaves to git.


class Format(Enum):
    DESCRIBED = "git-describe"


@dataclass
class Source:
    """As much of a source of kind `git_repo` as fetching its branch looks at."""

    url: str
    folder: Path
    tracking: str = "main"
    ref_format: Format = Format.DESCRIBED
    exclude: list[str] = field(default_factory=list)

    def get_kind(self) -> str:
        return "git_repo"

    def get_mirror_directory(self) -> str:
        return str(self.folder)

    def translate_url(self, url: str, **how: object) -> str:
        return url


async def test_a_branch_without_anything_in_common_is_left_to_git_which_fetches_it(
    place: Place, tmp_path: Path
) -> None:
    source = Source(place.url, tmp_path / "sources")
    mirror = mirror_of(source)
    mirror.parent.mkdir()
    place.mirror.rename(mirror)
    place.mirror = mirror
    place.upstream.delete(MAIN)
    other = place.upstream.commit({"z": "1"}, "a new beginning")
    before = place.files()
    assert not await place.fetch()
    assert place.files() == before
    assert place.door.new() == ["ls-refs x", "fetch x"]

    def nothing(url: str) -> Mapping[str, str]:
        return {}

    await asyncio.to_thread(refresh_for_tracking, [source], nothing)
    assert place.at() == other
    assert place.door.by_git
    place.is_whole()


async def test_an_empty_mirror_is_left_to_git(place: Place, tmp_path: Path) -> None:
    place.mirror = tmp_path / "empty.git"
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    assert not await place.fetch()
    assert place.door.new() == ["ls-refs x"]  # nothing is downloaded twice


async def test_a_shallow_mirror_is_left_to_git_unasked(place: Place, tmp_path: Path) -> None:
    place.upstream.commit({"a": "2"}, "more")
    place.mirror = tmp_path / "shallow.git"
    url = f"file://{place.upstream.path}"
    git(tmp_path, "clone", "--quiet", "--bare", "--depth=1", url, str(place.mirror))
    place.upstream.commit({"a": "3"}, "more")
    assert not await place.fetch()
    assert place.door.new() == []


async def test_a_mirror_that_is_none_is_left_to_git(place: Place, tmp_path: Path) -> None:
    place.mirror = tmp_path / "nothing"
    assert not await place.fetch()
    place.mirror.mkdir()
    assert not await place.fetch()


async def test_a_branch_that_is_gone_is_left_to_git(place: Place) -> None:
    place.upstream.point("refs/heads/main-2", place.at())  # begins alike
    place.upstream.delete(MAIN)
    assert not await place.fetch()
    assert place.door.new() == ["ls-refs x"]


async def test_a_commit_that_the_server_does_not_have_is_left_to_git(place: Place) -> None:
    assert not await place.fetch("refs/hookfetch/01", "1" * 40)


async def test_a_large_answer_is_left_to_git(place: Place) -> None:
    place.upstream.commit({"large": Random(1).randbytes(9 * 1024 * 1024)}, "large")
    before = place.files()
    assert not await place.fetch()
    assert place.files() == before
    place.upstream.commit({"many/f": "1", **{f"many/{number}": str(number) for number in range(600)}}, "many")
    assert not await place.fetch()
    assert place.files() == before


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:1/x.git",
        "http://127.0.0.1:1/x.git",
        "http://[::1/x.git",
        "http://name:secret@127.0.0.1/x.git",
        "http://127.0.0.1:port/x.git",
        "http:///x.git",
        "ssh://127.0.0.1/x.git",
        "git@127.0.0.1:x.git",
        "/x.git",
        "",
    ],
)
async def test_an_address_that_it_does_not_ask_is_left_to_git(url: str, place: Place) -> None:
    refs = {MAIN: "1" * 40}
    for known in refs, {}:
        assert not await asyncio.to_thread(fetch_quickly, place.mirror, url, {MAIN: MAIN}, known)


@pytest.mark.parametrize("ref", ["refs/heads/a..b", "refs/heads/\udc80", "refs/heads/a b", "nothing"])
async def test_a_name_that_is_none_is_left_to_git(ref: str, place: Place) -> None:
    assert not await place.fetch(ref)
    assert not await place.fetch(ref, place.at())


# Servers that are not well.


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


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


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


# Connections.


async def test_a_connection_that_the_server_has_closed_is_made_anew(place: Place) -> None:
    for number in range(3):
        commit = place.upstream.commit({"a": str(number)}, "more")
        assert await place.fetch()
        assert place.at() == commit
        assert place.door.connections
        for connection in place.door.connections:
            connection.transport.close()
        await until(lambda: not place.door.connections)


async def test_after_a_connection_was_lost_the_next_fetch_works(place: Place) -> None:
    place.upstream.commit({"a": "2"}, "more")
    assert await place.fetch()
    place.door.instead = hang_up
    commit = place.upstream.commit({"a": "3"}, "more")
    assert not await place.fetch()
    place.door.instead = None
    assert await place.fetch()
    assert place.at() == commit


async def test_after_a_large_answer_too(place: Place) -> None:
    place.upstream.commit({"large": Random(2).randbytes(9 * 1024 * 1024)}, "large")
    assert not await place.fetch()
    place.upstream.point(MAIN, place.at())
    commit = place.upstream.commit({"a": "3"}, "more")
    assert await place.fetch()
    assert place.at() == commit


async def test_many_at_once_are_all_answered(place: Place, tmp_path: Path) -> None:
    commit = place.upstream.commit({"a": "2"}, "more")
    mirrors = []
    for number in range(12):
        mirror = tmp_path / f"copy{number}.git"
        git(tmp_path, "clone", "--quiet", "--bare", str(place.mirror), str(mirror))
        mirrors.append(mirror)
    fetches = (asyncio.to_thread(fetch_quickly, each, place.url, {MAIN: MAIN}, {}) for each in mirrors)
    assert all(await asyncio.gather(*fetches))
    assert {git(mirror, "rev-parse", MAIN) for mirror in mirrors} == {commit}
