"""A few commits, fetched from a real git server without a process."""

import asyncio
from pathlib import Path
from random import Random

from aiohttp import web

from hookfetch.engine.fetching.quick_fetch import fetch_quickly
from tests.engine.wire import MAIN, Place, git, hang_up
from tests.upstreams.serving import until

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


# Connections.


async def test_a_connection_that_the_server_has_closed_is_made_anew(place: Place) -> None:
    for number in range(3):
        commit = place.upstream.commit({"a": str(number)}, "more")
        assert await place.fetch()
        assert place.at() == commit
        assert place.door.connections
        place.door.close_connections()
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
