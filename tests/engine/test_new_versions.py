"""An element moves to a newer version: with real BuildStream, a source cache and upstreams over HTTP."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from hookfetch.core.moves import Unmoved, WantedMove
from hookfetch.core.ports import Finished
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.lab import Bench, Lab, ignore, running
from tests.upstreams.serving import routes

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

MOST = 200_000  # bytes of an archive


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(
    tmp_path_factory: pytest.TempPathFactory,
    upstreams: tuple[Path, UpstreamServer],
    source_cache: SourceCache,
) -> AsyncIterator[Bench]:
    """One warm process, which takes small archives alone."""
    root, server = upstreams
    (root / "versions").mkdir()
    lab = Lab(tmp_path_factory.mktemp("versions"), f"{server.url}/versions", root / "versions")
    async with running(lab, source_cache.url, archive_bytes=MOST) as bench:
        yield bench


def wanted(current: str = "1.0", version: str = "1.1", *urls: str) -> WantedMove:
    return WantedMove(current=current, version=version, feed="http://feed/", urls=urls)


async def move(bench: Bench, name: str, how: WantedMove | None = None) -> Finished:
    if bench.lab.fresh:
        bench.lab.fresh = False
        await bench.engine.load("lab")
    job = replace(bench.job(name), move=how or wanted())
    return await bench.engine.run(job, ignore)


def released(bench: Bench, name: str, *versions: str) -> list[str]:
    """Have archives of `versions` upstream; return their digests."""
    digests = []
    for version in versions:
        bench.lab.tarball(f"{name}-{version}.tar.gz", version)
        archive = bench.lab.upstreams / f"{name}-{version}.tar.gz"
        digests.append(sha256(archive.read_bytes()).hexdigest())
    return digests


async def test_url_and_ref_move_together_and_are_cached_as_buildstream_will_load_them(bench: Bench) -> None:
    old, new = released(bench, "foo", "1.0", "1.1")
    bench.lab.element("a.bst", {"kind": "tar", "url": "up:foo-1.0.tar.gz", "ref": old})
    bench.lab.element("b.bst", {"kind": "tar", "url": "up:foo-1.1.tar.gz", "ref": new})
    before = bench.lab.bytes()
    moved = await move(bench, "a.bst")
    assert moved.unmoved is None
    assert moved.upgrade is not None
    assert (moved.upgrade.old, moved.upgrade.new) == ("1.0", "1.1")
    (source,) = moved.refs
    assert (source.ref, source.url) == (new, f"{bench.lab.server}/foo-1.1.tar.gz")
    assert moved.cached
    landed = await bench.run("b.bst", track=False)
    assert (moved.element_key, moved.source_keys) == (landed.element_key, landed.source_keys)
    assert bench.lab.bytes() == before

    # What was announced is what later jobs begin with, until it is in the branch.
    again = await bench.run("a.bst", refs=moved.refs)
    assert (again.refs, again.element_key) == (moved.refs, moved.element_key)


async def test_sources_with_variables_in_several_files_and_a_tag_move_together(bench: Bench) -> None:
    docs = released(bench, "bar-doc", "2.0.1", "2.1.0")
    bar = released(bench, "bar", "2.0.1", "2.1.0")
    repository = bench.lab.repository("bar")
    repository.tag("v2.0.1")
    first = repository.commit_of("refs/heads/main")
    second = repository.commit({"more": "more"}, "more")
    repository.tag("v2.1.0")
    bench.lab.write("inc/bar.yml", {"variables": {"bar-version": "%{bar-series}.1", "bar-series": "2.0"}})
    bench.lab.write(
        "elements/bar.bst",
        {
            "kind": "import",
            "(@)": "inc/bar.yml",
            "sources": [
                {"kind": "tar", "url": "up:versions/bar-%{bar-version}.tar.gz", "ref": bar[0]},
                {
                    "kind": "tar",
                    "url": "up:versions/bar-doc-2.0.1.tar.gz",
                    "ref": docs[0],
                    "directory": "doc",
                },
                {
                    "kind": "git_repo",
                    "url": "up:versions/bar.git",
                    "track": "v%{bar-version}",
                    "ref": first,
                    "ref-format": "sha1",
                    "directory": "git",
                },
            ],
        },
    )
    await bench.engine.load("lab")
    job = replace(bench.job("x"), element="bar.bst", move=wanted("2.0.1", "2.1.0"))
    moved = await bench.engine.run(job, ignore)
    assert moved.unmoved is None
    assert [source.ref for source in moved.refs] == [bar[1], docs[1], second]
    variables = {change.key: change.after for change in moved.refs[0].moved.variables}  # type: ignore[union-attr]
    assert variables == {"bar-version": "%{bar-series}.0", "bar-series": "2.1"}


async def test_what_is_not_there_waits_and_all_else_is_done(bench: Bench) -> None:
    old, *_ = released(bench, "later", "1.0")
    repository = bench.lab.repository("beside")
    bench.lab.element(
        "later.bst",
        {"kind": "tar", "url": "up:later-1.0.tar.gz", "ref": old},
        {"kind": "git_repo", "url": "up:beside.git", "track": "main", "directory": "git"},
    )
    finished = await move(bench, "later.bst")
    assert finished.upgrade is None
    assert finished.unmoved == Unmoved(
        version="1.1", reason=f"{bench.lab.server}/later-1.1.tar.gz is not there: HTTP 404", waits=True
    )
    assert finished.refs[0].ref == old
    assert str(finished.refs[1].ref).endswith(str(repository.commit_of("refs/heads/main")))
    assert finished.cached

    (new,) = released(bench, "later", "1.1")
    assert (await move(bench, "later.bst")).refs[0].ref == new


class Faults:
    """An upstream whose archives of version 1.0 are as they should be, and no later one."""

    def __init__(self, files: Path, elsewhere: str) -> None:
        self._files = files
        self._elsewhere = elsewhere

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name, _, rest = request.match_info["file"].partition("-")
        if rest.startswith("1.0"):
            return web.FileResponse(self._files / f"{name}-{rest}")
        if name == "huge":
            return web.Response(headers={"Content-Length": str(10**12)})
        if name == "away":
            raise web.HTTPFound(f"{self._elsewhere}/{name}-{rest}")
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while request.method == "GET":  # without end
                await response.write(b"\x1f\x8b" * 20_000)
        return response


async def test_what_is_not_the_release_is_refused_with_a_reason_and_moves_no_ref(bench: Bench) -> None:
    here, files = bench.lab.server, bench.lab.upstreams
    (good,) = released(bench, "summed", "1.1")
    (files / "summed-1.1.tar.gz.sha256sum").write_text(f"{'0' * 64}  summed-1.1.tar.gz\n")
    (files / "page-1.1.tar.gz").write_bytes(b"<!DOCTYPE html><title>Not found</title>")
    (files / "text-1.1.tar.gz").write_bytes(b"no archive")
    async with AsyncExitStack() as stack:
        elsewhere = await stack.enter_async_context(routes())
        faults = Faults(files, elsewhere)
        there = await stack.enter_async_context(routes(web.get("/{file}", faults.answer)))
        cases = {
            "page": (here, "is a page of HTML"),
            "text": (here, "is no tar archive"),
            "summed": (here, f"has the SHA-256 {good}, and {here}/summed-1.1.tar.gz.sha256sum says 0000"),
            "endless": (there, f"has more than {MOST} bytes"),
            "huge": (there, f"has 1000000000000 bytes, more than the {MOST} that are taken"),
            "away": (there, "private address"),
        }
        for name, (server, _) in cases.items():
            (old,) = released(bench, name, "1.0")
            bench.lab.element(
                f"{name}.bst", {"kind": "tar", "url": f"{server}/{name}-1.0.tar.gz", "ref": old}
            )
        for name, (_, said) in cases.items():
            finished = await move(bench, f"{name}.bst")
            assert finished.upgrade is None
            assert finished.unmoved is not None
            assert said in finished.unmoved.reason
            assert not finished.unmoved.waits
            assert finished.refs[0].moved is None
            assert finished.cached


async def test_a_version_that_goes_down_moves_nothing(bench: Bench) -> None:
    _, old = released(bench, "down", "0.9", "1.0")
    bench.lab.element("down.bst", {"kind": "tar", "url": "up:down-1.0.tar.gz", "ref": old})
    finished = await move(bench, "down.bst", wanted("1.0", "0.9"))
    assert finished.unmoved is not None
    assert "0.9 is not newer than 1.0" in finished.unmoved.reason
