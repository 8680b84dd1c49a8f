"""A look by itself, without an engine: what it tells, and whom it leaves to the plugin."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest_asyncio
from buildstream_plugins_community.sources import _git_utils  # type: ignore[import-untyped]

from hookfetch.engine.fetching.recorded import Greetings, recording
from hookfetch.engine.looks import Look
from tests.engine.door import door_of
from tests.engine.hosts import Host


@pytest_asyncio.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with door_of(tmp_path) as door:
        yield Host(tmp_path, door)


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
