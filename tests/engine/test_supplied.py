"""What a client brings is tracked and fetched in a warm process, which is as it was before."""

import asyncio
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import JsonValue

from hookfetch.config import EngineConfig
from hookfetch.config.supplied import SuppliedConfig
from hookfetch.core.codec import dump_job, load_job
from hookfetch.core.errors import ElementError
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Job
from hookfetch.core.ports import Finished, OnTracked
from hookfetch.core.sources import Ref
from hookfetch.core.supplied import SuppliedSource, Wants, job_name
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from hookfetch.engine.supervisor import BuildStreamEngine
from tests.engine.lab import Bench, Lab, ignore, running
from tests.upstreams.serving import routes

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


class OpenLab(Lab):
    """A lab whose upstreams, on this machine, are open to clients."""

    def config(self, source_cache: Any) -> Any:
        host = self.server.removeprefix("http://").partition("/")[0]
        return super().config(source_cache).model_copy(update={"supplied": SuppliedConfig(hosts=(host,))})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(
    tmp_path_factory: pytest.TempPathFactory,
    upstreams: tuple[Path, UpstreamServer],
    source_cache: SourceCache,
) -> AsyncIterator[Bench]:
    root, server = upstreams
    (root / "supplied").mkdir()
    lab = OpenLab(tmp_path_factory.mktemp("open"), f"{server.url}/supplied", root / "supplied", "supplied")
    lab.repository("own")
    lab.element("own.bst", {"kind": "git_repo", "url": "up:own.git", "track": "main"})
    async with running(lab, source_cache.url) as bench:
        await bench.run("own.bst")
        yield bench


def source(kind: str, path: str, *, ref: Ref = None, **config: JsonValue) -> SuppliedSource:
    return SuppliedSource(kind=kind, config={"url": f"up:supplied/{path}", **config}, ref=ref)


async def run(
    bench: Bench, wants: Wants, *sources: SuppliedSource, on_tracked: OnTracked = ignore
) -> Finished:
    name = job_name(sources, wants)
    job = Job(
        id=name,
        project="lab",
        element=name,
        epoch=1,
        track=wants == "track",
        supplied=sources,
    )
    return await bench.engine.run(load_job(dump_job(job)), on_tracked)


@pytest.mark.parametrize("kind", ["git_repo", "git", "git_tag", "tar", "zip", "remote"])
async def test_what_is_tracked_is_fetched_and_proved(kind: str, bench: Bench) -> None:
    path, config = f"{kind}.git", {"track": "main"}
    if kind.startswith("git"):
        wanted: Ref = bench.lab.repository(kind).commit({"x": "y"}, "more")
    else:
        path, config = f"{kind}.tar.gz", {}
        bench.lab.tarball(path, "text")
        if kind == "zip":
            with zipfile.ZipFile(bench.lab.upstreams / path, "w") as archive:
                archive.writestr("top/text", "text")
        wanted = hashlib.sha256((bench.lab.upstreams / path).read_bytes()).hexdigest()
    workers = bench.engine.pids
    told: list[tuple[SourceRef, ...]] = []

    async def on_tracked(refs: tuple[SourceRef, ...], milliseconds: float) -> None:
        told.append(refs)

    tracked = await run(bench, "track", source(kind, path, **config), on_tracked=on_tracked)
    assert [each.ref for each in tracked.refs] == [wanted]
    assert told == [tracked.refs]
    assert (tracked.cached, tracked.element_key) == (False, None)  # it is tracked alone
    fetched = await run(bench, "fetch", source(kind, path, ref=wanted, **config))
    assert fetched.cached
    assert fetched.element_directory is not None
    assert [each.partition("/")[0] for each in fetched.source_keys] == [kind]
    assert bench.engine.pids == workers


async def test_it_has_the_key_that_an_element_of_the_project_would_have(bench: Bench) -> None:
    commit = bench.lab.repository("same").commit({"x": "y"}, "more")
    bench.lab.element("same.bst", {"kind": "git", "url": "up:same.git", "ref": commit, "directory": "d"})
    own = await bench.run("same.bst", track=False)
    brought = await run(bench, "fetch", source("git", "same.git", ref=commit, directory="d"))
    assert (brought.element_key, brought.source_keys) == (own.element_key, own.source_keys)


async def test_the_project_is_as_it_was_and_its_mirrors_hold_nothing_of_it(bench: Bench) -> None:
    commit = bench.lab.repository("brief").commit({"x": "y"}, "more")
    before = bench.lab.bytes()
    await run(bench, "fetch", source("git", "brief.git", ref=commit))
    assert bench.lab.bytes() == before
    state = bench.lab.root / "state"
    assert not [path for path in state.rglob("*") if path.name == "supplied" or "brief" in path.name]
    job = Job(id="x", project="lab", element="supplied|fetch:x", epoch=1, track=False)
    with pytest.raises(ElementError, match="has no element supplied"):
        await bench.engine.run(job, ignore)
    assert (await bench.run("own.bst")).cached  # which names a host that is private, as before


async def test_the_projects_mirrors_are_not_for_what_a_client_brings(bench: Bench) -> None:
    commit = bench.lab.repository("alone").commit({"x": "y"}, "more")
    bench.lab.tarball("alone.tar.gz", "text")
    digest = hashlib.sha256((bench.lab.upstreams / "alone.tar.gz").read_bytes()).hexdigest()
    mirrors = [{"name": "m", "aliases": {"up": ["ssh://git@127.0.0.1:9/", "http://127.0.0.1:9/"]}}]
    bench.lab.write_project(mirrors=mirrors)
    try:
        await bench.engine.load("lab")
        for brought in (
            source("git_repo", "alone.git", ref=commit),
            source("git", "alone.git", ref=commit, directory="alone"),
            source("tar", "alone.tar.gz", ref=digest, directory="alone"),
        ):
            assert (await run(bench, "fetch", brought)).cached
    finally:
        bench.lab.write_project()
        await bench.engine.load("lab")


async def test_a_submodule_that_an_upstream_declares_is_held_to_the_same(bench: Bench) -> None:
    made = bench.lab.repository("outer")
    inner = bench.lab.repository("inner").commit({"x": "y"}, "more")
    for address in "ssh://git@example.org/x.git", "git://example.org/x.git", "http://example.org/x.git":
        made.commit({".gitmodules": f'[submodule "sub"]\n\tpath = sub\n\turl = {address}\n'}, "declare")
        commit = made.link("sub", inner, "link")
        with pytest.raises(ElementError, match=r"'(ssh|git|http)://.* leads to"):
            await run(bench, "fetch", source("git", "outer.git", ref=commit))


async def test_a_download_without_end_is_ended_and_no_account_is_borrowed(
    bench: Bench, source_cache: SourceCache
) -> None:
    async def pour(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # the one who reads has gone
            while True:
                await response.write(bytes(65536))
        return response

    async with routes(web.get("/{path:.*}", pour)) as url:
        lab = Lab(bench.lab.root / "endless", bench.lab.server, bench.lab.upstreams)
        lab.write_project(aliases={"endless": f"{url}/", "account": "https://example.org/"})
        open_to = SuppliedConfig(hosts=(url.removeprefix("http://"),))
        project = lab.config(source_cache.url).model_copy(update={"supplied": open_to})
        limits = EngineConfig(processes=1, supplied_bytes=4 * 1024**2)
        engine = BuildStreamEngine({"lab": project}, lab.root / "state", limits, accounts=("example.org",))
        try:
            await engine.load("lab")
            (worker,) = engine.pids
            borrowed = SuppliedSource(kind="git_repo", config={"url": "account:x.git", "track": "main"})
            with pytest.raises(ElementError, match="a host that this service has an account for"):
                await run(Bench(engine, lab), "track", borrowed)
            endless = SuppliedSource(kind="tar", config={"url": "endless:x.tar"})
            with pytest.raises(ElementError, match="more than 4194304 bytes"):
                await run(Bench(engine, lab), "track", endless)
            assert worker not in engine.pids
        finally:
            await engine.close()
    assert not list((lab.root / "state").rglob("*.tar"))


async def test_buildstream_remembers_nothing_of_it_however_often_it_comes(
    tmp_path: Path, upstreams: tuple[Path, UpstreamServer]
) -> None:
    root, server = upstreams
    (root / "state").mkdir()
    lab = Lab(tmp_path, f"{server.url}/state", root / "state", "state")
    commit = lab.repository("own").commit({"x": "y"}, "more")
    lab.element("own.bst", {"kind": "git", "url": "up:own.git", "track": "main"})
    lab.write_project(**{"ref-storage": "project.refs"})
    refs = {"projects": {"lab": {"state/own.bst": [{"ref": commit}]}}}
    (lab.project / "project.refs").write_text(json.dumps(refs))
    (tmp_path / "worker").mkdir()
    host, _, port = server.url.removeprefix("http://").partition(":")
    place = "up:state/own.git"
    arguments = [str(lab.project), str(tmp_path / "worker"), place, commit, host, port]
    with tempfile.TemporaryDirectory() as short:  # the path of a socket has to be
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "tests.engine.supplied_state", *arguments],
            env={**os.environ, "TMPDIR": short, "GIT_ALLOW_PROTOCOL": "http:https:ssh:git:file"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout)
    assert after == before
    assert after["refs"]["projects"]["lab"] == {"state/own.bst": [{"ref": commit}]}
    assert after["kept"] == []
