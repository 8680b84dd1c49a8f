"""What the shortcut makes of git objects is what the real BuildStream stages, byte for byte."""

import pytest

from hookfetch.cas.directories import Directory, file_of
from hookfetch.cas.dotgit import without_stat
from hookfetch.cas.git_objects import GitObjects
from hookfetch.cas.git_sources import GitSources, new_template
from hookfetch.demo.cache import SourceCache
from tests.engine.lab import Bench
from tests.engine.shapes import SHAPES, Leaf, Shaped, file, link
from tests.engine.staged import Staged

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

SHORTCUT = False  # what BuildStream stages itself is compared


def shaped(bench: Bench, name: str) -> Shaped:
    return Shaped(bench.lab.upstreams / f"{name}.git")


def with_index(root: Directory, data: bytes) -> Directory:
    dotgit = root.directories[".git"]
    dotgit = Directory({**dotgit.files, "index": file_of(data)}, {}, dotgit.directories)
    return Directory(root.files, root.links, {**root.directories, ".git": dotgit})


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_git_source_has_the_digest_that_buildstream_gives_it(
    shape: str, bench: Bench, source_cache: SourceCache
) -> None:
    upstream = shaped(bench, shape)
    commit = upstream.commit(SHAPES[shape])
    bench.lab.element("it.bst", {"kind": "git", "url": f"up:{shape}.git", "track": "main"})

    done = await bench.run("it.bst")

    with GitObjects(bench.lab.upstreams / f"{shape}.git") as objects:
        made = GitSources(new_template()).git(objects, bytes.fromhex(commit))
    staged = Staged(source_cache.url)
    assert done.element_key is not None
    assert staged.element(done.element_key) == staged.source(done.source_keys[0]) == made.digest


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_git_repo_source_differs_from_buildstreams_only_in_the_times_of_its_index(
    shape: str, bench: Bench, source_cache: SourceCache
) -> None:
    upstream = shaped(bench, shape)
    commit = upstream.commit(SHAPES[shape])
    bench.lab.element("it.bst", {"kind": "git_repo", "url": f"up:{shape}.git", "track": "main"})

    done = await bench.run("it.bst")

    with GitObjects(bench.lab.upstreams / f"{shape}.git") as objects:
        made = GitSources(new_template()).git_repo(objects, bytes.fromhex(commit), None)
    staged = Staged(source_cache.url)
    assert done.element_key is not None
    root = staged.element(done.element_key)
    theirs = staged.file(root, ".git", "index")
    ours = made.directories[".git"].files["index"].content
    assert without_stat(theirs) == ours
    assert with_index(made, theirs).digest == root


def grown(upstream: Shaped, count: int, salt: str = "") -> list[str]:
    """Make `count` commits in a row, each with a directory and a link of its own.

    Of another `salt` they are others: a git_repo source's key has only the ref, not the repository.
    """
    commits: list[str] = []
    for number in range(count):
        leaves = {f"d{number}/x": file(b"x"), "link": link(b"%d" % number), "salt": file(salt.encode())}
        commits.append(upstream.commit(leaves, *commits[-1:]))
    return commits


async def assert_same(bench: Bench, source_cache: SourceCache, name: str, **more: str) -> str:
    """Compare a git_repo source of the upstream `name`, tracked anew by BuildStream; return its ref."""
    source = {"kind": "git_repo", "url": f"up:{name}.git", "ref-format": "git-describe", **more}
    bench.lab.element("it.bst", source)
    done = await bench.run("it.bst")
    ref = str(done.refs[0].ref)
    with GitObjects(bench.lab.upstreams / f"{name}.git") as objects:
        made = GitSources(new_template()).git_repo(
            objects, bytes.fromhex(ref[-40:]), ref.rpartition("-g")[0].rpartition("-")[0]
        )
    staged = Staged(source_cache.url)
    assert done.element_key is not None
    root = staged.element(done.element_key)
    theirs = staged.file(root, ".git", "index")
    if "shallow" in made.directories[".git"].files:
        # The order of these lines is that of a set: BuildStream's own differs from process to process.
        lines = staged.file(root, ".git", "shallow")
        ours = made.directories[".git"].files["shallow"].content
        assert isinstance(ours, bytes)
        assert sorted(lines.splitlines()) == ours.splitlines()
        dotgit = made.directories[".git"]
        dotgit = Directory({**dotgit.files, "shallow": file_of(lines)}, {}, dotgit.directories)
        made = Directory(made.files, made.links, {**made.directories, ".git": dotgit})
    assert with_index(made, theirs).digest == root
    return ref


@pytest.mark.parametrize("annotated", [True, False])
@pytest.mark.parametrize(("since", "track"), [(0, "*2.0"), (3, "main")])
async def test_a_described_source_is_the_same_back_to_its_tag(
    since: int, track: str, annotated: bool, bench: Bench, source_cache: SourceCache
) -> None:
    upstream = shaped(bench, "tagged")
    commits = grown(upstream, 6, f"{since} {annotated}")
    upstream.tag("release/2.0", commits[-1 - since], annotated=annotated)

    ref = await assert_same(bench, source_cache, "tagged", track=track)

    assert ref == f"release/2.0-{since}-g{commits[-1]}"


async def test_a_tag_of_a_tag_is_the_same(bench: Bench, source_cache: SourceCache) -> None:
    upstream = shaped(bench, "twice")
    commits = grown(upstream, 2, "twice")
    upstream.tag("outer-1", upstream.tag("inner", commits[1], annotated=True), annotated=True)

    await assert_same(bench, source_cache, "twice", track="outer-1")


async def test_history_with_merges_is_the_same_back_to_its_tag(
    bench: Bench, source_cache: SourceCache
) -> None:
    upstream = shaped(bench, "merged")
    root, early, base = grown(upstream, 3, "merged")
    upstream.tag("v1", base)
    side = upstream.commit({"side": file(b"1")}, early, ref=None)
    older = upstream.commit({"older": file(b"1")}, root, ref=None)
    newer = upstream.commit({"older": file(b"2")}, older, ref=None)
    merge = upstream.commit({"both": file(b"1")}, base, side, newer)
    upstream.commit({"both": file(b"2")}, merge)

    await assert_same(bench, source_cache, "merged", track="main")


async def test_a_git_repo_source_with_a_submodule_is_the_same(
    bench: Bench, source_cache: SourceCache
) -> None:
    upstream = shaped(bench, "super")
    leaves = {
        ".gitmodules": file(b'[submodule "m"]\n path = m\n url = http://127.0.0.1:9/m\n'),
        "m": Leaf(0o160000, b"1" * 40),
        "d/m": Leaf(0o160000, b"2" * 40),
    }
    upstream.tag("v1", upstream.commit(leaves))

    await assert_same(bench, source_cache, "super", track="v1")
