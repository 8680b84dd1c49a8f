"""What is not fetched without a process, since git does it better or alone can do it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random

import pytest

from hookfetch.engine.fetching.quick_fetch import fetch_quickly
from hookfetch.engine.mirrors import mirror_of, refresh_for_tracking
from tests.engine.wire import MAIN, Place, git


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
