"""A load tells by which keys the committed sources are cached, before any of them was fetched."""

import hashlib

import pytest

from hookfetch.core.sources import Element
from tests.engine.lab import Bench

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


async def loaded(bench: Bench, name: str) -> Element:
    bench.lab.fresh = False
    project = await bench.engine.load("lab")
    (element,) = (each for each in project.elements if each.name == f"{bench.lab.folder}/{name}")
    return element


async def test_they_are_those_of_the_job_that_caches_them(bench: Bench) -> None:
    repository = bench.lab.repository("x")
    commit = repository.commit_of("refs/heads/main")
    bench.lab.tarball("top-1.tar.gz", "one")
    archive = (bench.lab.upstreams / "top-1.tar.gz").read_bytes()
    sources = [
        {"kind": "git_repo", "url": "up:x.git", "track": "main", "ref": commit},
        {"kind": "git", "url": "up:x.git", "track": "main", "ref": commit, "directory": "git"},
        {
            "kind": "tar",
            "url": "up:top-1.tar.gz",
            "ref": hashlib.sha256(archive).hexdigest(),
            "directory": "tar",
        },
    ]
    bench.lab.element("it.bst", *sources)
    keys = (await loaded(bench, "it.bst")).keys
    done = await bench.run("it.bst", track=False)
    assert keys == (*done.source_keys, done.element_key)


async def test_what_a_load_does_not_look_at_has_none(bench: Bench) -> None:
    tracked = {"kind": "git_repo", "url": "up:x.git", "track": "main"}
    committed = tracked | {"ref": "1" * 40}
    local = {"kind": "local", "path": "project.conf"}
    bench.lab.element("new.bst", tracked)
    bench.lab.element("mixed.bst", committed, local | {"directory": "d"})
    assert (await loaded(bench, "new.bst")).keys == ()
    assert [key.partition("/")[0] for key in (await loaded(bench, "mixed.bst")).keys] == ["git_repo"]
