"""What the shortcut makes for git_tag is what the real plugin clones, byte for byte but for times."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.cas.clone_template import new_clone_template, without_times
from hookfetch.cas.directories import Digest, Directory, file_of
from hookfetch.cas.dotgit import without_stat
from hookfetch.cas.git_objects import GitObjects
from hookfetch.cas.git_sources import GitSources, new_template
from hookfetch.core.ports import Finished
from hookfetch.demo.cache import SourceCache
from tests.engine.lab import Bench
from tests.engine.shapes import SHAPES, Shaped, file
from tests.engine.staged import Staged, staged_by_buildstream

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

SHORTCUT = False  # what BuildStream stages itself is compared


def mirror_of(bench: Bench, name: str) -> Path:
    """Return the mirror as the plugin names it."""
    found = (bench.lab.root / "state/mirrors/projects/lab").glob(f"git_tag.*/content/*{name}_git")
    (mirror,) = (path for path in found if bench.lab.folder in path.name)
    return mirror


def repack(mirror: Path) -> None:
    options = ["-c", "repack.writeBitmaps=false"]
    subprocess.run(["git", "-C", str(mirror), *options, "repack", "-a", "-d", "-k", "-q"], check=True)


def replaced(made: Directory, path: list[str], data: bytes) -> Directory:
    name, *below = path
    if not below:
        return Directory({**made.files, name: file_of(data)}, made.links, made.directories)
    inner = replaced(made.directories[name], below, data)
    return Directory(made.files, made.links, {**made.directories, name: inner})


def logs(directory: Directory, place: list[str]) -> Iterator[list[str]]:
    yield from ([*place, name] for name in directory.files)
    for name, below in directory.directories.items():
        yield from logs(below, [*place, name])


def with_their_times(made: Directory, staged: Staged, root: Digest) -> Directory:
    """Return `made` with the times of the source at `root`, whose files must not differ otherwise."""
    dotgit = made.directories[".git"]
    for path in [[".git", "index"], *logs(dotgit.directories["logs"], [".git", "logs"])]:
        theirs = staged.file(root, *path)
        ours = made
        for name in path[:-1]:
            ours = ours.directories[name]
        plain = without_stat(theirs) if path[-1] == "index" else without_times(theirs)
        assert plain == ours.files[path[-1]].content
        made = replaced(made, path, theirs)
    return made


def assert_same(bench: Bench, source_cache: SourceCache, name: str, done: Finished) -> Directory:
    """Compare what BuildStream staged of the upstream `name` with what its mirror comes to; return that."""
    ref = str(done.refs[0].ref)
    mirror = mirror_of(bench, name)
    sources = GitSources(new_template(), new_clone_template())
    with GitObjects(mirror) as objects:
        made = sources.git_tag(objects, mirror, ref, bytes.fromhex(ref[-40:]))
    staged = Staged(source_cache.url)
    assert done.element_key is not None
    assert staged_by_buildstream(bench.lab, done)
    root = staged.element(done.element_key)
    assert root == staged.source(done.source_keys[0])
    assert with_their_times(made, staged, root).digest == root
    return made


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_git_tag_source_differs_from_buildstreams_only_in_times(
    shape: str, bench: Bench, source_cache: SourceCache
) -> None:
    upstream = Shaped(bench.lab.upstreams / f"{shape}.git")
    upstream.commit(SHAPES[shape])
    bench.lab.element("it.bst", {"kind": "git_tag", "url": f"up:{shape}.git", "track": "main"})

    assert_same(bench, source_cache, shape, await bench.run("it.bst"))


async def test_branches_tags_and_packs_of_the_mirror_are_cloned_as_git_does(
    bench: Bench, source_cache: SourceCache
) -> None:
    upstream = Shaped(bench.lab.upstreams / "grown.git")
    bench.lab.element("it.bst", {"kind": "git_tag", "url": "up:grown.git", "track": "main"})
    bench.lab.element("same.bst", {"kind": "git_repo", "url": "up:grown.git", "track": "main"})
    commits = [upstream.commit({"a/b": file(b"0")})]
    upstream.tag("v1", commits[0])
    for number in range(1, 4):
        commits.append(upstream.commit({f"a{number}/b/c": file(b"%d" % number)}, commits[-1]))
        await bench.run("it.bst")
    upstream.tag("release/2.0", commits[2], annotated=True)
    upstream.tag("again", upstream.tag("inner", commits[1], annotated=True), annotated=True)
    upstream.commit({"x": file(b"x")}, commits[0], ref="refs/heads/topic/x")
    upstream.commit({"y": file(b"y")}, commits[0], ref="refs/heads/topic-2")
    await bench.run("same.bst")  # its mirror is the same one

    done = await bench.run("it.bst")

    assert done.refs[0].ref == f"release/2.0-1-g{commits[3]}"
    made = assert_same(bench, source_cache, "grown", done)
    objects = made.directories[".git"].directories["objects"].directories
    assert sum(len(folder.files) for folder in objects.values()) >= 4  # a pack, and what came later


async def test_a_packed_mirror_is_cloned_as_git_does(bench: Bench, source_cache: SourceCache) -> None:
    upstream = Shaped(bench.lab.upstreams / "packed.git")
    first = upstream.commit({f"d/{number}": file(b"%d" % number) for number in range(300)})
    bench.lab.element("it.bst", {"kind": "git_tag", "url": "up:packed.git", "track": "main"})
    await bench.run("it.bst")
    upstream.commit({"a": file(b"packed")}, first)
    repack(mirror_of(bench, "packed"))

    assert_same(bench, source_cache, "packed", await bench.run("it.bst"))


async def test_the_first_commit_of_a_branch_is_cloned_as_git_does_when_the_branch_has_gone_on(
    bench: Bench, source_cache: SourceCache
) -> None:
    upstream = Shaped(bench.lab.upstreams / "on.git")
    first = upstream.commit({"a": file(b"first")})
    upstream.commit({"b": file(b"second")}, first)
    source = {"kind": "git_tag", "url": "up:on.git", "track": "main", "ref": first}
    bench.lab.element("it.bst", source)

    assert_same(bench, source_cache, "on", await bench.run("it.bst", track=False))
