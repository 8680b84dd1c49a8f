"""A project in a repository is loaded at the commit that is asked for, by each worker in its own tree."""

import dataclasses
from pathlib import Path

import pytest

from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.core.errors import Permanent
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.repositories import Repository, create_repository
from hookfetch.engine.supervisor import BuildStreamEngine
from hookfetch.engine.work_tree import WorkTree
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.clone import Clone
from tests.engine.lab import Bench, Lab, ignore

pytestmark = pytest.mark.engine


def _commit(lab: Lab, repository: Repository) -> str:
    return repository.commit(lab.bytes(), "Change")


async def test_each_job_is_done_at_the_commit_that_its_coordinator_has_loaded(
    lab: Lab, source_cache: SourceCache
) -> None:
    upstream = lab.repository("one")
    first, second = upstream.commit_of("refs/heads/main"), upstream.commit({"README": "more"}, "second")
    repository = create_repository(lab.root, "project")
    lab.element("a.bst", {"kind": "git_repo", "url": "up:one.git", "track": "main", "ref": first})
    before = _commit(lab, repository)
    project = ProjectConfig(
        name="lab", repository=str(repository.path), branches=("main",), source_cache=source_cache.url
    )
    clone = Clone(str(repository.path), lab.root / "clones", Accounts(()))
    engine = BuildStreamEngine(
        {"lab": project}, lab.root / "state", EngineConfig(processes=1), {"lab": clone}
    )
    try:
        assert await engine.newest("lab") == before
        assert (await engine.load("lab", before)).revision == before
        lab.element("a.bst", {"kind": "git_repo", "url": "up:one.git", "track": "main", "ref": second})
        after = _commit(lab, repository)
        job = dataclasses.replace(Bench(engine, lab).job("a.bst", track=False), revision=before)
        keys = {}
        for revision in (before, await engine.newest("lab"), before):
            done = await engine.run(dataclasses.replace(job, revision=revision), ignore)
            keys.setdefault(revision, set()).add(done.refs[0].ref)
        assert keys == {before: {first}, after: {second}}
        broken = repository.commit({"project.conf": "name: [\n"}, "No")
        with pytest.raises(Permanent, match="does not load"):
            await engine.load("lab", broken)
        assert (await engine.run(job, ignore)).refs[0].ref == first
    finally:
        await engine.close()


def test_a_tree_is_that_of_its_commit_whatever_an_earlier_worker_left(tmp_path: Path) -> None:
    repository = create_repository(tmp_path, "project")
    first = repository.commit({"kept": "1", "gone": "1", "folder/deep": "1"}, "one")
    tree = WorkTree(repository.path, tmp_path / "slot")
    tree.check_out(first)
    assert (tree.directory / "folder/deep").read_text() == "1"
    other = create_repository(tmp_path, "other")
    second = other.commit({"kept": "2", "folder": "a file now"}, "two")
    # A worker was killed in the middle of it: its lock is there, a file is half written, another is new.
    (tmp_path / "slot/project.index.lock").write_text("")
    (tree.directory / "kept").write_text("half")
    (tree.directory / "folder").joinpath("new").write_text("of nobody")
    again = WorkTree(other.path, tmp_path / "slot")
    again.check_out(second)
    assert (again.directory / "kept").read_text() == "2"
    assert (again.directory / "folder").read_text() == "a file now"
    assert not (again.directory / "gone").exists()
