import asyncio
import gzip
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from hookfetch.core.errors import Permanent, Temporary
from hookfetch.core.observation import RemoteRef
from hookfetch.demo.upstreams import Repository, create_repository
from hookfetch.upstreams import advertisement
from hookfetch.upstreams import ls_refs as module
from hookfetch.upstreams.ls_refs import ls_refs
from hookfetch.upstreams.pktline import Mark, mark, packet
from tests.upstreams.serving import Log, git_server, hang, raw_server, routes

EVERYTHING = ("refs/heads/", "refs/tags/")
RESULT = "application/x-git-upload-pack-result"
ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
OID = "a" * 40


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = create_repository(tmp_path, "group/glib")
    made.commit({"a": "1"}, "first")
    made.tag("v1")
    made.tag("v2", message="annotated")
    made.commit({"a": "2"}, "second")
    made.point("refs/heads/stable", made.tag("w1"))
    made.point("refs/merge-requests/1/head", made.tag("w1"))
    return made


def expected(repository: Repository) -> dict[str, RemoteRef]:
    head = repository.commit_of("refs/heads/main")
    first = repository.commit_of("refs/tags/v1")
    tag = repository.commit_of("refs/tags/v2")
    assert head is not None
    assert first is not None
    assert tag is not None
    return {
        "refs/heads/main": RemoteRef(oid=head),
        "refs/heads/stable": RemoteRef(oid=head),
        "refs/tags/v1": RemoteRef(oid=first),
        "refs/tags/v2": RemoteRef(oid=tag, peeled=first),
        "refs/tags/w1": RemoteRef(oid=head),
    }


async def test_a_v2_server_lists_its_refs_in_one_request(
    session: aiohttp.ClientSession, repository: Repository, tmp_path: Path
) -> None:
    log = Log()
    async with git_server(tmp_path, log) as server:
        refs = await ls_refs(session, URL(repository.url(server)), EVERYTHING, 10)
    assert refs == expected(repository)
    assert log.requests == ["POST /group/glib.git/git-upload-pack"]


async def test_an_older_server_lists_the_same_refs(
    session: aiohttp.ClientSession, repository: Repository, tmp_path: Path
) -> None:
    log = Log()
    async with git_server(tmp_path, log, speaks_v2=False) as server:
        refs = await ls_refs(session, URL(repository.url(server)), EVERYTHING, 10)
    assert refs == expected(repository)
    assert log.requests[-1] == "GET /group/glib.git/info/refs"


@pytest.mark.parametrize("speaks_v2", [True, False])
async def test_only_what_has_a_prefix_is_listed(
    session: aiohttp.ClientSession, repository: Repository, tmp_path: Path, speaks_v2: bool
) -> None:
    async with git_server(tmp_path, Log(), speaks_v2=speaks_v2) as server:
        refs = await ls_refs(session, URL(repository.url(server)), ("refs/tags/v", "refs/heads/st"), 10)
    assert sorted(refs) == ["refs/heads/stable", "refs/tags/v1", "refs/tags/v2"]


async def test_a_repository_with_sha256_ids_lists_its_refs(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    made = Repository(tmp_path / "new.git", "new")
    _git("init", "--quiet", "--bare", "--object-format=sha256", str(made.path))
    commit = made.commit({"a": "1"}, "first")
    async with git_server(tmp_path, Log()) as server:
        refs = await ls_refs(session, URL(made.url(server)), EVERYTHING, 10)
    assert len(commit) == 64
    assert refs == {"refs/heads/main": RemoteRef(oid=commit)}


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("speaks_v2", [True, False])
async def test_an_empty_repository_has_no_refs(
    session: aiohttp.ClientSession, tmp_path: Path, speaks_v2: bool
) -> None:
    create_repository(tmp_path, "empty")
    async with git_server(tmp_path, Log(), speaks_v2=speaks_v2) as server:
        assert await ls_refs(session, URL(f"{server}/empty.git"), EVERYTHING, 10) == {}


async def test_a_repository_that_is_not_there_is_permanent(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with git_server(tmp_path, Log()) as server:
        with pytest.raises(Permanent, match="404: no such repository") as error:
            await ls_refs(session, URL(server.replace("//", "//me:secret@") + "/none.git"), EVERYTHING, 10)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Permanent), (403, Permanent), (429, Temporary), (500, Temporary), (503, Temporary)],
)
async def test_a_refusal_says_its_status(
    session: aiohttp.ClientSession, status: int, kind: type[Exception]
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with routes(web.route("*", "/{path:.*}", refuse)) as server:
        with pytest.raises(kind, match=str(status)):
            await ls_refs(session, URL(f"{server}/a.git"), EVERYTHING, 10)


async def test_a_moved_repository_is_found_through_its_redirect(
    session: aiohttp.ClientSession, repository: Repository, tmp_path: Path
) -> None:
    log = Log()
    async with git_server(tmp_path, log) as server:

        async def move(request: web.Request) -> web.Response:
            raise web.HTTPMovedPermanently(
                f"{server}/group/glib.git{request.path[4:]}?{request.query_string}"
            )

        async with routes(web.route("*", "/old/{path:.*}", move)) as old:
            refs = await ls_refs(session, URL(f"{old}/old"), EVERYTHING, 10)
    assert refs == expected(repository)
    assert log.requests == ["GET /group/glib.git/info/refs", "POST /group/glib.git/git-upload-pack"]


async def test_a_redirect_loop_ends(session: aiohttp.ClientSession) -> None:
    asked = 0

    async def loop(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        raise web.HTTPFound(request.path_qs)

    async with routes(web.route("*", "/{path:.*}", loop)) as server:
        with pytest.raises(Permanent, match="redirected more than 5 times"):
            await ls_refs(session, URL(f"{server}/a.git"), EVERYTHING, 10)
    assert asked == 7


async def test_a_redirect_to_a_sign_in_page_is_no_repository(session: aiohttp.ClientSession) -> None:
    async def sign_in(request: web.Request) -> web.Response:
        raise web.HTTPFound("/users/sign_in")

    async with routes(web.route("*", "/{path:.*}", sign_in)) as server:
        with pytest.raises(Permanent, match="redirected to what is no git repository"):
            await ls_refs(session, URL(f"{server}/a.git"), EVERYTHING, 10)


async def test_a_plain_file_server_is_named_as_such(session: aiohttp.ClientSession) -> None:
    async def dumb(request: web.Request) -> web.Response:
        return web.Response(text=f"{OID}\trefs/heads/main\n")

    async with routes(web.get("/a.git/info/refs", dumb)) as server:
        with pytest.raises(Permanent, match="no smart git server: info/refs is text/plain"):
            await ls_refs(session, URL(f"{server}/a.git"), EVERYTHING, 10)


async def test_a_server_that_hangs_costs_the_time_limit(session: aiohttp.ClientSession) -> None:
    async with raw_server(hang) as server:
        with pytest.raises(Temporary, match=r"no complete answer within 0\.2 s"):
            await ls_refs(session, URL(f"http://{server}/a.git"), EVERYTHING, 0.2)


async def test_a_server_that_drips_costs_the_time_limit(session: aiohttp.ClientSession) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {RESULT}\r\nContent-Length: 100000\r\n\r\n".encode())
        for byte in packet(f"{OID} refs/heads/main\n".encode()) * 10:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_server(drip) as server:
        with pytest.raises(Temporary, match="no complete answer"):
            await ls_refs(session, URL(f"http://{server}/a.git"), EVERYTHING, 0.3)


async def test_a_server_that_is_not_there_is_temporary(session: aiohttp.ClientSession) -> None:
    async with raw_server(hang) as server:
        pass
    with pytest.raises(Temporary):
        await ls_refs(session, URL(f"http://{server}/a.git"), EVERYTHING, 5)


GARBAGE = {
    "html": b"<!doctype html><title>Welcome</title>",
    "nothing": b"",
    "no end": packet(f"{OID} refs/heads/main\n".encode()),
    "half a packet": packet(f"{OID} refs/heads/main\n".encode())[:20],
    "no object id": packet(b"main refs/heads/main\n") + mark(Mark.FLUSH),
    "no peeled id": packet(f"{OID} refs/heads/main peeled:x\n".encode()) + mark(Mark.FLUSH),
    "two lists": packet(f"{OID} refs/heads/main\n".encode()) + mark(Mark.FLUSH) * 2,
    "a delimiter": mark(Mark.DELIMITER) + mark(Mark.FLUSH),
    "no ref's name": packet(f"{OID} refs/heads/a:b\n".encode()) + mark(Mark.FLUSH),
    "an error": packet(b"ERR access\n denied\x1b[31m\n"),
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_one_line_of_temporary(session: aiohttp.ClientSession, body: bytes) -> None:
    async def answer(request: web.Request) -> web.Response:
        kind = RESULT if request.method == "POST" else ADVERTISEMENT
        return web.Response(body=body, content_type=kind)

    async with routes(web.route("*", "/{path:.*}", answer)) as server:
        with pytest.raises(Temporary) as error:
            await ls_refs(session, URL(f"{server}/a.git"), EVERYTHING, 10)
    assert str(error.value).isprintable()


async def test_names_that_are_no_text_are_left_out(session: aiohttp.ClientSession) -> None:
    names = [b"refs/heads/\xff", b"refs/heads/" + b"x" * 5000, b"refs/heads/main"]
    body = b"".join(packet(f"{OID} ".encode() + name + b"\n") for name in names) + mark(Mark.FLUSH)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=RESULT)

    async with routes(web.post("/a.git/git-upload-pack", answer)) as server:
        assert list(await ls_refs(session, URL(f"{server}/a.git"), EVERYTHING, 10)) == ["refs/heads/main"]


async def test_an_answer_that_unpacks_without_end_is_cut_off(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER", 1_000_000)
    line = packet(f"{OID} refs/pull/1/head\n".encode())
    bomb = gzip.compress(line * 100_000)

    async def answer(request: web.Request) -> web.Response:
        kind = RESULT if request.method == "POST" else ADVERTISEMENT
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip", "Content-Type": kind})

    async with routes(web.route("*", "/{path:.*}", answer)) as server:
        with pytest.raises(Temporary, match="longer than 1000000 bytes"):
            await ls_refs(session, URL(f"{server}/a.git"), EVERYTHING, 10)


async def test_a_repository_with_too_many_refs_is_refused(
    session: aiohttp.ClientSession, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advertisement, "MAX_REFS", 3)
    async with git_server(tmp_path, Log()) as server:
        with pytest.raises(Temporary, match="more than 3 refs"):
            await ls_refs(session, URL(repository.url(server)), EVERYTHING, 10)
