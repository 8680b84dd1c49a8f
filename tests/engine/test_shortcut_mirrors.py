"""Mirrors are fetched without what they have, and what is staged from them is what upstream has now."""

from pathlib import Path

import pygit2
import pytest

from hookfetch.demo.cache import SourceCache
from tests.engine.lab import Bench
from tests.engine.shapes import Shaped, file
from tests.engine.staged import Staged, staged_by_buildstream

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


def objects(mirror: Path) -> set[str]:
    return set(map(str, pygit2.Repository(str(mirror))))


async def test_a_tag_and_its_successor_are_fetched_without_what_is_there(bench: Bench) -> None:
    upstream = Shaped(bench.lab.upstreams / "releases.git")
    leaves = {f"d/{number}": file(b"%d" % number) for number in range(300)}
    before = upstream.commit({**leaves, "old": file(b"old")})
    first = upstream.commit(leaves, before)
    upstream.tag("v1", first, annotated=True)
    source = {"kind": "git_repo", "url": "up:releases.git", "track": "v*", "ref-format": "git-describe"}
    bench.lab.element("releases.bst", source)
    one = await bench.run("releases.bst")
    (mirror,) = (bench.lab.root / "state/mirrors/projects/lab").glob("*/content/*releases.git")
    first_objects = objects(mirror)
    second = upstream.commit({**leaves, "new": file(b"new")}, first)
    upstream.tag("v2", second, annotated=True)

    two = await bench.run("releases.bst", refs=one.refs)

    assert two.refs[0].ref == f"v2-0-g{second}"
    assert not staged_by_buildstream(bench.lab, two)
    assert before not in objects(mirror)
    # The first tag came with all files; of the second, the tag, its commit, a tree and a file.
    assert len(objects(mirror) - first_objects) == 4


async def test_a_described_branch_is_fetched_without_what_is_there_also_after_a_tag_alone(
    bench: Bench,
) -> None:
    upstream = Shaped(bench.lab.upstreams / "described.git")
    leaves = {f"d/{number}": file(b"%d, described" % number) for number in range(300)}
    first = upstream.commit(leaves)
    upstream.tag("v1", first)
    second = upstream.commit({**leaves, "new": file(b"new")}, first)
    upstream.tag("w1", second)
    source = {"kind": "git_repo", "url": "up:described.git", "ref-format": "git-describe"}
    bench.lab.element("tag.bst", {**source, "track": "w*"})
    bench.lab.element("branch.bst", {**source, "track": "main", "directory": "x"})
    await bench.run("tag.bst")
    (mirror,) = (bench.lab.root / "state/mirrors/projects/lab").glob("*/content/*described.git")
    assert (mirror / "shallow").exists()
    upstream.repository.references.delete("refs/tags/w1")
    one = await bench.run("branch.bst")
    assert one.refs[0].ref == f"v1-1-g{second}"
    assert not (mirror / "shallow").exists()
    before = objects(mirror)
    third = upstream.commit({**leaves, "new": file(b"newer")}, second)

    two = await bench.run("branch.bst", refs=one.refs)

    assert two.refs[0].ref == f"v1-2-g{third}"
    assert two.descends == {0: True}
    assert not staged_by_buildstream(bench.lab, two)
    # A commit, a tree and a file.
    assert len(objects(mirror) - before) == 3


async def test_a_tag_that_was_moved_is_staged_where_it_is(bench: Bench, source_cache: SourceCache) -> None:
    upstream = Shaped(bench.lab.upstreams / "moved.git")
    first = upstream.commit({"a": file(b"moved")})
    upstream.tag("v1", first, annotated=True)
    source = {"kind": "git_repo", "url": "up:moved.git"}
    bench.lab.element("moved.bst", {**source, "track": "v*", "ref-format": "git-describe"})
    bench.lab.element("main.bst", {**source, "track": "main", "directory": "x"})
    one = await bench.run("moved.bst")
    second = upstream.commit({"a": file(b"again")}, first)
    await bench.run("main.bst")  # now the mirror has the commit, and the tag elsewhere
    upstream.repository.references.delete("refs/tags/v1")
    tag = upstream.tag("v1", second, annotated=True)

    two = await bench.run("moved.bst", refs=one.refs)

    assert two.refs[0].ref == f"v1-0-g{second}"
    assert not staged_by_buildstream(bench.lab, two)
    assert two.element_key is not None
    held = Staged(source_cache.url)
    root = held.element(two.element_key)
    assert held.file(root, ".git", "refs", "tags", "v1") == f"{tag}\n".encode()
