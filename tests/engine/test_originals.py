"""Workers and projects share what they keep of an upstream, and no more than they may."""

import asyncio
import random
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from hookfetch.config import EngineConfig
from hookfetch.core.errors import Temporary
from hookfetch.core.jobs import Job
from hookfetch.core.ports import Finished
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import make_application
from hookfetch.engine.full_disk import is_full, make_room_on
from hookfetch.engine.supervisor import BuildStreamEngine
from hookfetch.originals.expiry import Entry, expire
from hookfetch.originals.folder import Folder, Original
from tests.engine.lab import Lab, ignore, running
from tests.faults.disk import MountRefused, SmallDisk

pytestmark = pytest.mark.engine

MIB = 1024**2


@dataclass
class Counted:
    """Upstreams of the test's own: `fetches` counts packs that were asked for, by repository."""

    root: Path
    state_dir: Path
    url: str = ""
    fetches: dict[str, int] = field(default_factory=dict)
    expired: list[Entry] = field(default_factory=list)

    @web.middleware
    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.endswith("git-upload-pack"):
            body = await request.read()
            if b"command=ls-refs" not in body:
                name = request.path.split("/")[-2]
                self.fetches[name] = self.fetches.get(name, 0) + 1
                # What the job is at is the first thing that could go.
                self.expired += (await asyncio.to_thread(expire, self.state_dir, 0)).given_up
        return await handler(request)


@asynccontextmanager
async def counting(tmp_path: Path) -> AsyncIterator[tuple[Counted, Lab]]:
    (tmp_path / "upstreams" / "it").mkdir(parents=True)
    counted = Counted(tmp_path / "upstreams", tmp_path / "state")
    application = make_application(counted.root)
    application.middlewares.append(counted.count)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        counted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield counted, Lab(tmp_path, f"{counted.url}/it", counted.root / "it")
    finally:
        await runner.cleanup()


def job(element: str, project: str = "lab") -> Job:
    name = f"it/{element}"
    return Job(id=f"{project}/{element}", project=project, element=name, epoch=1, track=True, refs=())


async def run(engine: BuildStreamEngine, element: str, project: str = "lab") -> Finished:
    return await engine.run(job(element, project), ignore)


def repositories(state_dir: Path) -> list[Original]:
    return [original for _, original in Folder.of(state_dir) if original.about()[0] == "git"]


def refs(mirror: Path) -> dict[str, str]:
    done = subprocess.run(["git", "-C", mirror, "show-ref"], capture_output=True, text=True, check=True)
    return {name: at for at, _, name in (line.partition(" ") for line in done.stdout.splitlines())}


def check(mirror: Path) -> None:
    subprocess.run(["git", "-C", mirror, "fsck", "--strict"], capture_output=True, check=True)


async def test_an_upstream_is_downloaded_once_and_kept_under_its_own_names_whatever_uses_it(
    tmp_path: Path, source_cache: SourceCache
) -> None:
    async with counting(tmp_path) as (counted, lab):
        repository = lab.repository("glib")
        repository.tag("v1", message="one")
        old = repository.commit({"README": "2"}, "second")
        source = {"url": "up:glib.git", "track": "main"}
        kinds = {"git": {}, "git_tag": {}, "git_repo": {}, "described": {"ref-format": "git-describe"}}
        for kind, more in kinds.items():
            named = "git_repo" if kind == "described" else kind
            lab.element(f"{kind}.bst", {**source, **more, "kind": named, "directory": kind})
        async with running(lab, source_cache.url, processes=2) as bench:
            first = await asyncio.gather(*(run(bench.engine, f"{kind}.bst") for kind in kinds))
            (original,) = repositories(lab.root / "state")
            assert refs(original.content)["refs/heads/main"] == old
            new = repository.commit({"README": "3"}, "third")
            before = dict(counted.fetches)
            second = await asyncio.gather(*(run(bench.engine, f"{kind}.bst") for kind in kinds))

    assert before == {"glib.git": 1}
    assert counted.fetches == {"glib.git": 2}
    assert not [entry for entry in counted.expired if entry.kind == "git"]
    for done, commit in [(first, old), (second, new)]:
        assert all(commit in str(each.refs[0].ref) for each in done)
        assert all(each.cached for each in done)
    kept = refs(original.content)
    assert kept["refs/heads/main"] == new
    assert "refs/tags/v1" in kept
    assert not (original.content / "shallow").exists()
    check(original.content)


async def test_projects_share_what_is_public_and_not_what_wants_an_account(tmp_path: Path) -> None:
    async with counting(tmp_path) as (counted, lab):
        counted.state_dir = tmp_path / "nothing"
        account = counted.url.partition("//")[2].replace("127.0.0.1", "localhost")
        for name, place in ("public", "up:"), ("own", f"http://{account}/it/"):
            lab.repository(name)
            lab.tarball(f"{name}-1.tar.gz", "text")
            git = {"kind": "git_repo", "url": f"{place}{name}.git", "track": "main"}
            tar = {"kind": "tar", "url": f"{place}{name}-1.tar.gz", "directory": "x"}
            lab.element(f"{name}.bst", git, tar)
        projects = dict.fromkeys(("lab", "other"), lab.config(None))
        engine = BuildStreamEngine(projects, tmp_path / "state", EngineConfig(), accounts=[account])
        try:
            await asyncio.gather(
                *(run(engine, f"{name}.bst", project) for name in ("public", "own") for project in projects)
            )
        finally:
            await engine.close()

    assert counted.fetches == {"public.git": 1, "own.git": 2}
    found = [(project, *original.about()) for project, original in Folder.of(tmp_path / "state")]
    kept = {(project, kind, url.rpartition("/")[2]) for project, kind, url in found if "plugin" not in kind}
    assert kept == {
        (None, "files", "public-1.tar.gz"),
        (None, "git", "public.git"),
        *((project, "files", "own-1.tar.gz") for project in projects),
        *((project, "git", "own.git") for project in projects),
    }


async def test_a_full_disk_costs_old_mirrors_and_other_elements_nothing(tmp_path: Path) -> None:
    try:
        with SmallDisk(tmp_path / "state", 56 * MIB):
            await _fill(tmp_path)
    except MountRefused as error:
        pytest.skip(f"nobody may mount here: {error}")


async def _fill(tmp_path: Path) -> None:
    state = tmp_path / "state"

    def fill(path: Path) -> None:
        path.mkdir()
        (path / "data").write_bytes(bytes(24 * MIB))

    async with counting(tmp_path) as (counted, lab):
        counted.state_dir = tmp_path / "nothing"  # nothing expires by itself here
        lab.repository("small")
        lab.repository("big").commit({"noise": random.Random(0).randbytes(9 * MIB)}, "noise")
        for name in "small", "big":
            lab.element(f"{name}.bst", {"kind": "git_repo", "url": f"up:{name}.git", "track": "main"})
        async with running(lab, None) as bench:
            await run(bench.engine, "small.bst")
            old = Folder.of(state).shared("files", "https://example.org/old")
            Folder.of(state).make(old, "files", "https://example.org/old", fill)
            ballast = state / "ballast"
            ballast.write_bytes(bytes(shutil.disk_usage(state).free - 6 * MIB))
            freed = r"the disk with .*/state was full: 24 MiB of mirrors were given up"
            with pytest.raises(Temporary, match=freed):
                await run(bench.engine, "big.bst")
            assert not old.content.exists()
            await run(bench.engine, "small.bst")
            done, reason = None, ""
            for _ in range(3):  # as the bus does with what is Temporary: the storage daemon is slow to notice
                try:
                    done = await run(bench.engine, "big.bst")
                    break
                except Temporary as error:
                    reason = str(error)
            assert done is not None, reason
    for original in repositories(state):
        check(original.content)


def test_a_full_disk_with_nothing_to_give_up_is_left_to_people(tmp_path: Path) -> None:
    full = f"the disk with {tmp_path} is full, and no mirror is left to be given up: make room there"
    assert make_room_on(tmp_path, 0) == full
    assert is_full("fatal: write error: No space left on device", tmp_path)
    assert not is_full("fatal: write error", tmp_path)


async def test_a_mirror_whose_fetch_was_killed_is_used_again_and_one_of_an_earlier_version_is_not(
    tmp_path: Path,
) -> None:
    async with counting(tmp_path) as (_, lab):
        repository = lab.repository("glib")
        lab.element("glib.bst", {"kind": "git", "url": "up:glib.git", "track": "main"})
        old = lab.root / "state/engine/lab/0/sources/git/up_it_glib_git"
        old.mkdir(parents=True)
        async with running(lab, None) as bench:
            await run(bench.engine, "glib.bst")
            assert not old.exists()
            (original,) = repositories(lab.root / "state")
            for name in "refs/heads/main.lock", "packed-refs.lock", "objects/pack/tmp_pack_x":
                (original.content / name).touch()
            original.work.write_bytes(b"1")  # as one leaves it who dies holding it
            new = repository.commit({"README": "2"}, "second")
            done = await run(bench.engine, "glib.bst")
    assert new in str(done.refs[0].ref)
    assert not [path for path in original.content.rglob("*") if path.name.endswith(".lock")]
    assert not list(original.content.glob("objects/pack/tmp*"))
    check(original.content)
