"""What a job says of an upstream that is not well, and that it costs no other element anything."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from hookfetch.core.errors import ElementError
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.lab import Bench, Lab, running
from tests.upstreams.serving import hang, raw_server, routes

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

STALL = 0.5  # seconds


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send an answer that never ends, a byte at a time, for as long as somebody reads it."""
    await reader.readuntil(b"\r\n\r\n")
    kind = b"application/x-git-upload-pack-advertisement"
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nContent-Length: 100000\r\n\r\nfff0")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def refuse(request: web.Request) -> web.StreamResponse:
    match request.match_info["fault"]:
        case "loop":
            raise web.HTTPFound(request.path_qs)
        case "private":
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="lab"'})
        case "garbage":
            kind = "application/x-git-upload-pack-advertisement"
            return web.Response(body=b"001e# service=git-upload-pack\n0000zzzzgarbage", content_type=kind)
    raise web.HTTPNotFound


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def places() -> AsyncIterator[Mapping[str, str]]:
    """Where each fault is met."""
    async with AsyncExitStack() as stack:
        silent = await stack.enter_async_context(raw_server(hang))
        dripping = await stack.enter_async_context(raw_server(drip))
        server = await stack.enter_async_context(routes(web.route("*", "/{fault}/{path:.*}", refuse)))
        faults = {name: f"{server}/{name}" for name in ("loop", "private", "garbage", "vanished")}
        yield {"hangs": f"http://{silent}", "drips": f"http://{dripping}", **faults}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impatient(
    tmp_path_factory: pytest.TempPathFactory,
    upstreams: tuple[Path, UpstreamServer],
    source_cache: SourceCache,
    places: Mapping[str, str],
) -> AsyncIterator[Bench]:
    """Two processes that give up soon, and elements of every kind at every fault."""
    root, server = upstreams
    (root / "bad").mkdir()
    lab = Lab(tmp_path_factory.mktemp("bad"), f"{server.url}/bad", root / "bad", "bad")
    lab.repository("glib")
    lab.element("good.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})
    for fault, place in places.items():
        for kind in "git_repo", "git":
            lab.element(f"{fault}-{kind}.bst", {"kind": kind, "url": f"{place}/x.git", "track": "main"})
        lab.element(f"{fault}-tar.bst", {"kind": "tar", "url": f"{place}/x.tar.gz"})
        lab.element(f"{fault}-cpan.bst", {"kind": "cpan", "index": f"{place}/", "name": "X"})
    async with running(lab, source_cache.url, processes=2, stall=STALL) as bench:
        await bench.run("good.bst")
        yield bench


@pytest.mark.parametrize(
    ("fault", "kinds", "said"),
    [
        ("hangs", ("git_repo", "git", "tar", "cpan"), "the host stalls: "),
        ("drips", ("git_repo", "git", "tar"), "the host stalls: "),
        ("loop", ("git_repo", "git", "tar"), "it redirects without end"),
        ("private", ("git_repo", "git", "tar"), "it wants a password: "),
        ("vanished", ("git_repo", "git", "tar"), "it is gone or not public: "),
        ("garbage", ("git_repo", "git"), "what answers is no such server"),
    ],
)
async def test_a_job_says_in_one_line_where_it_failed_and_what_to_do(
    fault: str, kinds: Sequence[str], said: str, impatient: Bench, places: Mapping[str, str]
) -> None:
    workers = set(impatient.engine.pids)
    failures = await asyncio.gather(
        *(impatient.run(f"{fault}-{kind}.bst") for kind in kinds), return_exceptions=True
    )
    for failure in failures:
        assert isinstance(failure, ElementError)
        assert said in str(failure)
        assert places[fault].split("/")[2].partition(":")[0] in str(failure)
        assert "\n" not in str(failure)
        assert len(str(failure)) < 500
    assert workers <= set(impatient.engine.pids)  # it cost no other element a warm process


async def test_what_is_no_archive_is_refused_and_leaves_the_worker_as_it_was(impatient: Bench) -> None:
    workers = set(impatient.engine.pids)
    for kind, said in {"tar": "could not be opened", "cpan": "Not a gzipped file"}.items():
        with pytest.raises(ElementError, match=said):
            await impatient.run(f"garbage-{kind}.bst")
    assert workers <= set(impatient.engine.pids)


@pytest.mark.parametrize("place", ["file://{}", "{}"])
async def test_a_lock_file_of_an_upstream_names_no_repository_of_this_machine(
    place: str, bench: Bench
) -> None:
    lab = bench.lab
    secret = lab.repository("secret")
    commit = secret.commit({"Cargo.toml": '[package]\nname = "leaf"\n'}, "a crate")
    url = place.format(secret.path)
    lock = f'[[package]]\nname = "leaf"\nversion = "1.0.0"\nsource = "git+{url}#{commit}"\n'
    lab.repository("outer").commit({"Cargo.lock": lock}, "lock")
    lab.element("it.bst", {"kind": "git_repo", "url": "up:outer.git", "track": "main"}, {"kind": "cargo2"})
    with pytest.raises(ElementError, match="no address of another machine"):
        await bench.run("it.bst")
