"""One look at an upstream costs one look, and the plugin decides by it as if it had looked itself."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from buildstream_plugins_community.sources import _git_utils  # type: ignore[import-untyped]

from hookfetch.core.errors import ElementError
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.repositories import Repository, create_repository
from hookfetch.engine.fetching.recorded import Greetings, recording
from hookfetch.engine.looks import Look
from tests.engine.client import bst
from tests.engine.door import ADVERTISED, Door, door_of, question
from tests.engine.lab import Bench, Lab, running
from tests.upstreams.serving import until

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

STALL = 2.0  # seconds


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab_and_bench(
    tmp_path_factory: pytest.TempPathFactory, source_cache: SourceCache
) -> AsyncIterator[Bench]:
    """One warm process."""
    root = tmp_path_factory.mktemp("looks")
    lab = Lab(root, "http://127.0.0.1:9/none", root / "upstreams", "none")
    async with running(lab, source_cache.url, stall=STALL) as bench:
        yield bench


@dataclass
class Host:
    """A host of its own, which nobody has looked at, and elements that follow what is there."""

    bench: Bench
    root: Path
    door: Door

    def repository(self, name: str) -> Repository:
        repository = create_repository(self.root, name)
        repository.commit({"README": name}, "first")
        return repository

    def element(self, name: str, *follows: dict[str, object], url: str | None = None) -> None:
        """Write `<name>.bst`, of kind git_repo, for the repository of that name."""
        self.bench.lab.folder = self.folder
        address = url or f"{self.door.url}/{name}.git"
        sources = [
            {"kind": "git_repo", "url": address, "track": "main", **each, "directory": f"d{number}"}
            for number, each in enumerate(follows or ({},))
        ]
        self.bench.lab.element(f"{name}.bst", *sources)

    @property
    def folder(self) -> str:
        return self.root.name

    async def track(self, name: str) -> list[object]:
        """Return the new refs."""
        done = await self.bench.run(f"{name}.bst")
        assert done.cached
        return [each.ref for each in done.refs]

    async def fails(self, name: str) -> str:
        with pytest.raises(ElementError) as failure:
            await self.bench.run(f"{name}.bst")
        return str(failure.value)


@pytest_asyncio.fixture(loop_scope="module")
async def host(lab_and_bench: Bench, tmp_path: Path) -> AsyncIterator[Host]:
    root = tmp_path / re.sub(r"[^a-z0-9]", "", tmp_path.name.lower())
    root.mkdir()
    async with door_of(root) as door:
        yield Host(lab_and_bench, root, door)


# Through the engine, with the plugin as BuildStream loads it.


async def test_a_look_costs_one_look_and_a_host_greets_once(host: Host) -> None:
    one, two = host.repository("one"), host.repository("two")
    host.element("one")
    host.element("two")
    await host.track("one")
    assert host.door.new() == ["greeting one", "ls-refs one"]  # and git, which clones it
    await host.track("two")
    assert host.door.new() == ["ls-refs two"]
    host.door.by_git.clear()
    for repository in one, two, one:
        commit = repository.commit({"README": "more"}, "more")
        assert await host.track(repository.name) == [commit]
        assert host.door.new() == [f"ls-refs {repository.name}", f"fetch {repository.name}"]
        assert await host.track(repository.name) == [commit]
        assert host.door.new() == [f"ls-refs {repository.name}"]
    assert not host.door.by_git


async def test_two_sources_of_one_repository_cost_one_look(host: Host) -> None:
    repository = host.repository("twice")
    repository.commit({"a": "b"}, "other", branch="other")
    host.element("twice", {}, {"track": "other"}, {"track": "main", "ref-format": "git-describe"})
    await host.track("twice")
    assert host.door.new() == ["greeting twice", "ls-refs twice", "fetch twice"]
    main = repository.commit({"a": "1"}, "more")
    other = repository.commit({"a": "2"}, "more", branch="other")
    assert await host.track("twice") == [main, other, main]
    asked = host.door.new()
    assert asked.count("ls-refs twice") == 1
    assert set(asked) == {"ls-refs twice", "fetch twice"}


FOLLOWED: dict[str, dict[str, object]] = {
    "branch": {"track": "main"},
    "described": {"track": "main", "ref-format": "git-describe"},
    "tags": {"track": "v*"},
    "described-tags": {"track": "v*", "ref-format": "git-describe"},
    "some-tags": {"track": "v1*", "exclude": ["v1.9*"], "ref-format": "git-describe"},
    "full-name": {"track": "refs/tags/v1.*"},
    "full-branch": {"track": "refs/heads/main", "ref-format": "git-describe"},
    "light": {"track": "light-*", "ref-format": "git-describe"},
    "branches": {"track": "stable-*"},
}
REF = re.compile(r"ref\"?: *\"?([^\"\n, }]+)")


async def test_refs_are_those_which_the_plugin_finds_alone(host: Host, source_cache: SourceCache) -> None:
    lab = host.bench.lab
    repository = host.repository("many")
    for version in "v1.2", "v1.9", "v1.10", "v1.9.9", "v2.0-rc1", "v2.0":
        repository.commit({"version": version}, version)
        repository.tag(version, message=version)
    repository.commit({"light": "1"}, "light")
    repository.tag("light-1")
    for branch in "stable-2", "stable-10":
        repository.commit({"branch": branch}, branch, branch=branch)
    for name, follows in FOLLOWED.items():
        host.element(name, follows, url=f"{host.door.url}/many.git")
    for number in range(2):
        repository.commit({"number": str(number)}, "more")
        repository.tag(f"v2.{number + 1}", message="new")
        repository.commit({"after": str(number)}, "and more")
        host.door.new()  # the other client's questions
        found = {name: await host.track(name) for name in FOLLOWED}
        assert host.door.new().count("greeting many") == (number == 0)
        written = {}
        for name in FOLLOWED:
            path = lab.project / "elements" / host.folder / f"{name}.bst"
            written[path] = path.read_text()
        elements = [f"{host.folder}/{name}.bst" for name in FOLLOWED]
        done = await asyncio.to_thread(bst, lab, source_cache.url, "source", "track", *elements)
        assert done.returncode == 0, done.stderr
        for (path, text), refs in zip(written.items(), found.values(), strict=True):
            assert [REF.findall(path.read_text())[-1]] == refs
            path.write_text(text)


# Upstreams that are not what they were.


async def known(host: Host, name: str = "known") -> Repository:
    """Have an element of `name` tracked, and the greeting of its host known. Commits of other repositories of
    that name are in the cache already, and are not fetched."""
    repository = host.repository(name)
    host.element(name)
    await host.track(name)
    host.door.new()
    return repository


async def test_a_host_that_no_longer_speaks_version_2_is_asked_anew(host: Host) -> None:
    async def old(request: web.Request) -> web.StreamResponse | None:
        if await question(request) == "greeting":
            return web.Response(body=await advertised(repository), content_type=ADVERTISED)
        return None if b"want " in await request.read() else web.Response(status=400)

    repository = await known(host)
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
async def test_a_repository_that_moved_is_followed(status: int, host: Host) -> None:
    async def moved(request: web.Request) -> web.StreamResponse | None:
        if not request.path.startswith("/known.git/"):
            return None
        there = request.path_qs.replace("/known.git/", "/moved.git/")
        return web.Response(status=status, headers={"Location": there})

    await known(host)
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


async def test_a_repository_that_begins_by_moving_teaches_no_greeting(host: Host) -> None:
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
    status: int, said: str, host: Host
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
    await known(host)
    assert await host.fails("gone") == failure
    assert host.door.new() == ["ls-refs gone", "greeting gone"]  # it may have been the greeting


async def test_a_repository_that_hangs_is_asked_once(host: Host) -> None:
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


async def test_a_repository_with_nothing_to_follow_fails_as_the_plugin_says(host: Host) -> None:
    host.repository("bare")
    host.element("bare", {"track": "none-*"})
    assert "No matching refs" in await host.fails("bare")
    assert host.door.new() == ["greeting bare", "ls-refs bare"]


async def test_a_connection_that_was_closed_costs_no_job(host: Host) -> None:
    repository = await known(host, "closing")
    for number in range(3):
        for connection in host.door.connections:
            connection.transport.close()
        await until(lambda: not host.door.connections)
        commit = repository.commit({"a": str(number)}, "more")
        assert await host.track("closing") == [commit]
        assert host.door.new() == ["ls-refs closing", "fetch closing"]


async def test_nor_does_one_that_is_closed_just_then(host: Host) -> None:
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


# A look alone.


class Format(Enum):
    SHA1 = "sha1"


@dataclass
class Source:
    """As much of a source of kind `git_repo` as a look looks at."""

    url: str
    folder: Path
    tracking: str | None = "main"
    ref_format: Format = Format.SHA1
    exclude: list[str] = field(default_factory=list)

    def get_kind(self) -> str:
        return "git_repo"

    def get_mirror_directory(self) -> str:
        return str(self.folder)

    def translate_url(self, url: str, **how: object) -> str:
        return url


async def look_at(host: Host, *names: str) -> Look:
    sources = [Source(f"{host.door.url}/{name}.git", host.root / "sources") for name in names]
    return await asyncio.to_thread(Look, sources)


async def test_a_look_tells_all_refs_tags_own_objects_too(host: Host) -> None:
    repository = host.repository("told")
    commit = repository.tag("v1", message="one")
    look = await look_at(host, "told", "told", "none")
    refs = look.refs_at(f"{host.door.url}/told.git")
    assert refs["refs/heads/main"] == refs["refs/tags/v1^{}"] == commit
    assert refs["refs/tags/v1"] == repository.commit_of("refs/tags/v1") != commit
    assert look.refs_at(f"{host.door.url}/none.git") == {}
    assert look.refs_at("elsewhere") == {}
    assert host.door.new() == ["greeting told", "ls-refs told", "ls-refs none", "greeting none"]


async def test_a_branch_whose_name_is_no_text_hides_no_other(host: Host) -> None:
    repository = host.repository("latin")
    (repository.path / "packed-refs").write_bytes(
        b"%s refs/heads/\xe9t\xe9\n" % (repository.commit_of("refs/heads/main") or "").encode()
    )
    for asked in (["greeting latin", "ls-refs latin"], ["ls-refs latin"]):
        look = await look_at(host, "latin")
        assert set(look.refs_at(f"{host.door.url}/latin.git")) == {"HEAD", "refs/heads/main"}
        assert host.door.new() == asked


async def test_what_is_not_asked_over_http_is_the_plugins(host: Host) -> None:
    sources = [Source("ssh://127.0.0.1:1/x.git", host.root), Source("http://[::1/x", host.root)]
    look = await asyncio.to_thread(Look, sources)
    assert look.refs_at("ssh://127.0.0.1:1/x.git") == {}


async def test_others_ask_as_the_plugin_does(host: Host) -> None:
    host.repository("other")

    def ask() -> object:
        client, path = _git_utils.get_authenticated_transport_and_path(f"{host.door.url}/other.git")
        return client.get_refs(path)

    def ask_recorded() -> tuple[object, int]:
        with recording(Greetings()) as recorder:
            return ask(), len(recorder.answers)

    recorded, alone = await asyncio.gather(asyncio.to_thread(ask_recorded), asyncio.to_thread(ask))
    assert recorded == (alone, 2)
    await asyncio.to_thread(ask)
    assert sorted(host.door.new()) == ["greeting other"] * 3 + ["ls-refs other"] * 3


# For jobs that wait.


@contextmanager
def held_back(host: Host, *names: str) -> Iterator[dict[str, asyncio.Event]]:
    """Answer what refs these repositories have only once their events are set, as they are at the end."""

    async def hold(request: web.Request) -> web.StreamResponse | None:
        name = request.path.split(".git/")[0].strip("/")
        if name in events and await question(request) == "ls-refs":
            await events[name].wait()
        return None

    events = {name: asyncio.Event() for name in names}
    host.door.instead = hold
    try:
        yield events
    finally:
        for event in events.values():
            event.set()


async def moved(host: Host, *names: str) -> list[str]:
    """Have elements of these names tracked, and their upstreams moved since; return the new commits."""
    repositories = [host.repository(name) for name in names]
    for repository in repositories:
        repository.commit({"of": str(host.root)}, "its own")  # in no cache
        host.element(repository.name)
        await host.track(repository.name)
    commits = [repository.commit({"a": "1"}, "more") for repository in repositories]
    host.door.new()
    return commits


async def test_a_job_that_waits_is_fetched_for_meanwhile(host: Host) -> None:
    commits = await moved(host, "ahead", "after")
    with held_back(host, "ahead") as held:
        before = asyncio.create_task(host.track("ahead"))
        await until(lambda: host.door.asked == ["ls-refs ahead"])
        waiting = asyncio.create_task(host.track("after"))
        await until(lambda: host.door.asked[1:] == ["ls-refs after", "fetch after"])
        assert not before.done()
        held["ahead"].set()
        assert [*await before, *await waiting] == commits
    assert host.door.new() == ["ls-refs ahead", "ls-refs after", "fetch after", "fetch ahead"]
    assert host.door.by_git[-1] != "fetch after"


async def test_what_a_look_ahead_failed_at_the_plugin_is_told(host: Host) -> None:
    await moved(host, "ahead")
    host.element("gone")
    with held_back(host, "ahead") as held:
        before = asyncio.create_task(host.track("ahead"))
        await until(lambda: host.door.asked == ["ls-refs ahead"])
        waiting = asyncio.create_task(host.fails("gone"))
        await until(lambda: "greeting gone" in host.door.asked)
        held["ahead"].set()
        await before
        assert "it is gone or not public" in await waiting
    assert sorted(each for each in host.door.new() if "gone" in each) == ["greeting gone", "ls-refs gone"]


async def test_a_look_ahead_that_is_slower_than_the_job_before_holds_nobody_up(host: Host) -> None:
    commits = await moved(host, "ahead", "after")
    with held_back(host, "ahead", "after") as held:
        before = asyncio.create_task(host.track("ahead"))
        await until(lambda: host.door.asked == ["ls-refs ahead"])
        waiting = asyncio.create_task(host.track("after"))
        await until(lambda: "ls-refs after" in host.door.asked)
        held["ahead"].set()
        pool = host.bench.engine._pool  # noqa: SLF001  nobody else knows when a worker is given a job
        done = sum(worker.jobs for worker in pool._busy)  # noqa: SLF001  the same
        assert await before == commits[:1]
        await until(lambda: sum(worker.jobs for worker in pool._busy) == done + 1)  # noqa: SLF001  the same
        held["after"].set()
        began = time.monotonic()
        assert await waiting == commits[1:]
        assert time.monotonic() - began < 5  # not as long as a job waits for another one's mirror
    assert host.door.new().count("ls-refs after") == 1
