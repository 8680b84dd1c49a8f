"""Projects that have the same question to a repository at the same time ask it once."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from hookfetch.core.errors import Temporary
from hookfetch.core.observation import RemoteRef
from hookfetch.demo.upstreams import Repository
from hookfetch.upstreams.hosts import Hosts
from hookfetch.upstreams.shared_looks import MAX_PREFIXES, SharedLooks
from tests.upstreams.serving import Log, git_server, until
from tests.upstreams.world import World, follows

URLS = ("https://forge.example/glib.git",)
NAME = "forge.example/glib"


class Upstream:
    """Answers when told to; knows what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.answer = asyncio.Event()
        self.error: Exception | None = None

    async def ask(self, urls: Sequence[str], prefixes: Sequence[str]) -> Mapping[str, RemoteRef]:
        self.asked.append(tuple(prefixes))
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return {f"answer {len(self.asked)}": RemoteRef(oid="0" * 40)}


def looks(per_host: int = 4) -> SharedLooks:
    return SharedLooks(Hosts(at_once=8, per_host=per_host, rate=1e9, clock=time.monotonic))


async def begin(
    shared: SharedLooks, upstream: Upstream, asker: str, *prefixes: str, anew: bool = False
) -> "asyncio.Task[Mapping[str, RemoteRef]]":
    task = asyncio.ensure_future(shared.refs(asker, NAME, URLS, prefixes, upstream.ask, anew=anew))
    await asyncio.sleep(0.01)
    return task


async def test_two_projects_in_their_turn_ask_once() -> None:
    shared, upstream = looks(), Upstream()
    first = await begin(shared, upstream, "main", "refs/heads/main")
    second = await begin(shared, upstream, "stable", "refs/heads/main")
    upstream.answer.set()
    assert await first == await second
    assert upstream.asked == [("refs/heads/main",)]


async def test_a_question_that_has_not_begun_is_asked_for_all_who_want_it() -> None:
    shared, upstream = looks(per_host=1), Upstream()
    other = await begin(shared, upstream, "other", "refs/tags/")
    first = await begin(shared, upstream, "main", "refs/heads/main", anew=True)
    second = await begin(shared, upstream, "stable", "refs/heads/1.0", anew=True)
    upstream.answer.set()
    await other
    assert await first == await second
    assert upstream.asked == [("refs/tags/",), ("refs/heads/1.0", "refs/heads/main", "refs/tags/")]


async def test_who_must_not_be_told_what_is_older_than_the_question_asks_anew() -> None:
    shared, upstream = looks(), Upstream()
    first = await begin(shared, upstream, "main", "refs/heads/main")
    second = await begin(shared, upstream, "stable", "refs/heads/main", anew=True)
    assert len(upstream.asked) == 2
    upstream.answer.set()
    await asyncio.gather(first, second)


async def test_a_question_that_has_begun_serves_only_who_wants_no_more() -> None:
    shared, upstream = looks(), Upstream()
    first = await begin(shared, upstream, "main", "refs/heads/main")
    more = await begin(shared, upstream, "stable", "refs/heads/1.0")
    less = await begin(shared, upstream, "old", "refs/heads/main")
    assert upstream.asked == [("refs/heads/main",), ("refs/heads/1.0", "refs/heads/main")]
    upstream.answer.set()
    assert await less == await first
    await more


async def test_all_are_told_that_the_upstream_failed() -> None:
    shared, upstream = looks(), Upstream()
    upstream.error = Temporary("no answer")
    tasks = [await begin(shared, upstream, asker, "refs/heads/main") for asker in ("main", "stable")]
    upstream.answer.set()
    for task in tasks:
        with pytest.raises(Temporary, match="no answer"):
            await task
    assert len(upstream.asked) == 1


async def test_when_the_asker_leaves_another_one_asks() -> None:
    shared, upstream = looks(), Upstream()
    first = await begin(shared, upstream, "main", "refs/heads/main")
    others = [await begin(shared, upstream, asker, "refs/heads/main") for asker in ("stable", "old")]
    first.cancel()
    await asyncio.sleep(0.01)
    assert len(upstream.asked) == 2
    upstream.answer.set()
    one, other = await asyncio.gather(*others)
    assert one == other == {"answer 2": RemoteRef(oid="0" * 40)}


async def test_who_leaves_takes_no_answer_from_others() -> None:
    shared, upstream = looks(), Upstream()
    first = await begin(shared, upstream, "main", "refs/heads/main")
    second = await begin(shared, upstream, "stable", "refs/heads/main")
    second.cancel()
    upstream.answer.set()
    assert await first
    assert len(upstream.asked) == 1


async def test_who_follows_no_more_is_not_asked_for() -> None:
    shared, upstream = looks(), Upstream()
    upstream.answer.set()
    await (await begin(shared, upstream, "stable", "refs/heads/1.0"))
    shared.forget("stable", NAME)
    await (await begin(shared, upstream, "main", "refs/heads/main"))
    assert upstream.asked[-1] == ("refs/heads/main",)


async def test_a_question_stays_short() -> None:
    shared, upstream = looks(), Upstream()
    upstream.answer.set()
    many = [f"refs/heads/branch-{number:03}" for number in range(MAX_PREFIXES + 1)]
    await (await begin(shared, upstream, "main", *many, "refs/tags/1.0"))
    assert upstream.asked == [("refs/heads/", "refs/tags/")]


async def test_two_branches_of_a_project_ask_a_repository_together_when_it_is_its_turn(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit({"a": "1"}, "first of a branch", branch="1.0")
    log, shared = Log(), looks()
    worlds = [World(), World()]
    async with git_server(tmp_path, log) as server:
        for world, branch in zip(worlds, ("main", "1.0"), strict=True):
            world.elements = [follows("glib.bst", repository.url(server), branch)]
        async with worlds[0].sweeping(shared=shared), worlds[1].sweeping(shared=shared):
            await until(lambda: all(world.known.looks for world in worlds))
            before = len(log.requests), sum(world.known.looks for world in worlds)
            await until(lambda: sum(world.known.looks for world in worlds) >= before[1] + 8)
            requests, told = len(log.requests) - before[0], 8
    assert requests <= told / 2 + 1
    assert {ref for world in worlds for refs in world.known.refs.values() for ref in refs} == {
        "refs/heads/main",
        "refs/heads/1.0",
    }
