"""One look at an upstream costs one look, and the plugin decides by it as if it had looked itself."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web

from hookfetch.demo.cache import SourceCache
from tests.engine.client import bst
from tests.engine.door import question
from tests.engine.hosts import Followed
from tests.upstreams.serving import until

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


async def test_a_look_costs_one_look_and_a_host_greets_once(host: Followed) -> None:
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


async def test_two_sources_of_one_repository_cost_one_look(host: Followed) -> None:
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


async def test_refs_are_those_which_the_plugin_finds_alone(host: Followed, source_cache: SourceCache) -> None:
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
            path = lab.project / "elements" / lab.folder / f"{name}.bst"
            written[path] = path.read_text()
        elements = [f"{lab.folder}/{name}.bst" for name in FOLLOWED]
        done = await asyncio.to_thread(bst, lab, source_cache.url, "source", "track", *elements)
        assert done.returncode == 0, done.stderr
        for (path, text), refs in zip(written.items(), found.values(), strict=True):
            assert [REF.findall(path.read_text())[-1]] == refs
            path.write_text(text)


# For jobs that wait.


@contextmanager
def held_back(host: Followed, *names: str) -> Iterator[dict[str, asyncio.Event]]:
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


async def moved(host: Followed, *names: str) -> list[str]:
    """Have elements of these names tracked, and their upstreams moved since; return the new commits."""
    repositories = [host.repository(name) for name in names]
    for repository in repositories:
        repository.commit({"of": str(host.root)}, "its own")  # in no cache
        host.element(repository.name)
        await host.track(repository.name)
    commits = [repository.commit({"a": "1"}, "more") for repository in repositories]
    host.door.new()
    return commits


async def test_a_job_that_waits_is_fetched_for_meanwhile(host: Followed) -> None:
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


async def test_what_a_look_ahead_failed_at_the_plugin_is_told(host: Followed) -> None:
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


async def test_a_look_ahead_that_is_slower_than_the_job_before_holds_nobody_up(host: Followed) -> None:
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
