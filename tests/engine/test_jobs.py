"""Jobs on real elements: a change upstream becomes a ref, fetched, pushed and proved."""

import dataclasses
from pathlib import Path

import pytest

from hookfetch.core.errors import ElementError, Temporary
from hookfetch.core.events import SourceRef
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.lab import Bench, Lab, ignore, running
from tests.support.caches import cache_at

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


async def test_a_pushed_commit_is_tracked_reported_at_once_and_in_the_cache(
    bench: Bench, source_cache: SourceCache
) -> None:
    lab = bench.lab
    repository = lab.repository("glib")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})
    commit = repository.commit({"README": "changed"}, "second")
    reported: list[tuple[SourceRef, ...]] = []

    async def on_tracked(refs: tuple[SourceRef, ...], milliseconds: float) -> None:
        assert milliseconds > 0
        reported.append(refs)

    done = await bench.run("glib.bst", on_tracked=on_tracked)

    assert reported == [done.refs]
    assert done.refs == (SourceRef(index=0, kind="git_repo", url=f"{lab.server}/glib.git", ref=commit),)
    assert done.cached
    assert set(done.milliseconds) == {"track", "fetch", "push", "prove"}
    assert done.element_key is not None
    with cache_at(source_cache.url) as cache:
        assert cache.holds(done.element_key)


async def test_a_tag_glob_follows_the_highest_version(bench: Bench) -> None:
    lab = bench.lab
    repository = lab.repository("glib")
    repository.tag("v1.9")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "v1.*"})
    first = await bench.run("glib.bst")
    commit = repository.commit({"README": "ten"}, "ten")
    repository.tag("v1.10", message="ten")

    second = await bench.run("glib.bst", refs=first.refs)

    assert second.refs[0].ref == commit
    assert second.cached


async def test_a_described_ref_names_its_tag(bench: Bench) -> None:
    lab = bench.lab
    repository = lab.repository("glib")
    repository.tag("v1.0")
    commit = repository.commit({"README": "after"}, "after")
    lab.element(
        "glib.bst",
        {"kind": "git_repo", "url": "up:glib.git", "track": "main", "ref-format": "git-describe"},
    )

    done = await bench.run("glib.bst")

    assert done.refs[0].ref == f"v1.0-1-g{commit}"
    assert done.cached


@pytest.mark.parametrize("kind", ["git_repo", "git", "git_tag"])
async def test_every_later_commit_of_a_branch_is_found_by_a_warm_worker(kind: str, bench: Bench) -> None:
    lab = bench.lab
    repository = lab.repository("glib")
    lab.element("glib.bst", {"kind": kind, "url": "up:glib.git", "track": "main"})
    refs: tuple[SourceRef, ...] = ()
    for number in range(3):
        commit = repository.commit({"number": str(number)}, "next")
        done = await bench.run("glib.bst", refs=refs)
        refs = done.refs
        assert commit in str(refs[0].ref)
        assert done.cached


async def test_a_git_source_with_tags_keeps_them_through_json(bench: Bench) -> None:
    lab = bench.lab
    repository = lab.repository("glib")
    commit = repository.tag("v1.0", message="one")
    lab.element("glib.bst", {"kind": "git", "url": "up:glib.git", "track": "main", "track-tags": True})
    tracked = await bench.run("glib.bst")
    ref = tracked.refs[0].ref
    assert ref == {"ref": commit, "tags": [{"tag": "v1.0", "commit": commit, "annotated": "True"}]}

    fetched = await bench.run("glib.bst", track=False, refs=tracked.refs)

    assert fetched.refs == tracked.refs
    assert fetched.element_key == tracked.element_key

    repository.delete("refs/tags/v1.0")
    untagged = await bench.run("glib.bst", refs=tracked.refs)
    assert untagged.element_key != tracked.element_key


@pytest.mark.parametrize("kind", ["tar", "remote"])
async def test_a_replaced_file_is_staged_anew_by_a_warm_worker(kind: str, bench: Bench) -> None:
    lab = bench.lab
    lab.tarball("top-1.tar.gz", "one")
    lab.element("top.bst", {"kind": kind, "url": "up:top-1.tar.gz"})
    first = await bench.run("top.bst")
    lab.tarball("top-1.tar.gz", "two")
    second = await bench.run("top.bst", refs=first.refs)
    back = await bench.run("top.bst", track=False, refs=first.refs)

    assert first.refs[0].ref != second.refs[0].ref
    assert first.cached
    assert second.cached
    assert back.element_key == first.element_key != second.element_key


async def test_what_the_cache_holds_already_is_not_fetched_again(bench: Bench) -> None:
    lab = bench.lab
    lab.repository("glib")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})
    first = await bench.run("glib.bst")

    asked = dataclasses.replace(bench.job("glib.bst", refs=first.refs), priority="interactive")
    again = await bench.engine.run(asked, ignore)

    assert again.cached
    assert set(again.milliseconds) == {"track", "prove"}


async def test_without_a_source_cache_sources_are_fetched_and_not_called_cached(lab: Lab) -> None:
    lab.repository("glib")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})
    async with running(lab, None) as bench:
        done = await bench.run("glib.bst")
    assert not done.cached
    assert set(done.milliseconds) == {"track", "fetch"}


async def test_an_element_of_several_sources_is_tracked_whole(bench: Bench) -> None:
    lab = bench.lab
    one, two = lab.repository("one"), lab.repository("two")
    lab.element(
        "both.bst",
        {"kind": "git_repo", "url": "up:one.git", "track": "main"},
        {"kind": "local", "path": "project.conf", "directory": "etc"},
        {"kind": "git", "url": "up:two.git", "track": "main", "directory": "two"},
    )

    done = await bench.run("both.bst")

    assert [ref.ref for ref in done.refs] == [
        one.commit_of("refs/heads/main"),
        None,
        two.commit_of("refs/heads/main"),
    ]
    assert [key.partition("/")[0] for key in done.source_keys] == ["git_repo", "local", "git"]
    assert done.cached


async def test_refs_kept_in_project_refs_are_read_and_set_without_writing(
    lab: Lab, source_cache: SourceCache
) -> None:
    repository = lab.repository("glib")
    old = repository.commit_of("refs/heads/main")
    lab.tarball("top-1.tar.gz", "one")
    lab.write_project(**{"ref-storage": "project.refs"})
    lab.element(
        "glib.bst",
        {"kind": "git_repo", "url": "up:glib.git", "track": "main"},
        {"kind": "tar", "url": "up:top-1.tar.gz", "directory": "top"},
    )
    lab.write("project.refs", {"projects": {"lab": {f"{lab.folder}/glib.bst": [{"ref": old}]}}})
    before = lab.bytes()
    async with running(lab, source_cache.url) as bench:
        loaded = await bench.engine.load("lab")
        assert [source.ref for source in loaded.elements[0].sources] == [old, None]
        new = repository.commit({"README": "new"}, "new")

        tracked = await bench.run("glib.bst")
        lab.tarball("top-1.tar.gz", "two")
        again = await bench.run("glib.bst", refs=tracked.refs)

        assert tracked.refs[0].ref == new
        assert tracked.cached
        assert again.refs[0].ref == new
        assert again.refs[1].ref not in (None, tracked.refs[1].ref)
        assert again.cached
        assert lab.bytes() == before


async def test_jobs_write_nothing_into_the_project(bench: Bench) -> None:
    lab = bench.lab
    repository = lab.repository("glib")
    lab.repository("gtk")
    lab.tarball("top-1.tar.gz", "one")
    old = repository.commit_of("refs/heads/main")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main", "ref": old})
    lab.element("gtk.bst", {"kind": "git", "url": "up:gtk.git", "track": "main"})
    lab.element("top.bst", {"kind": "tar", "url": "up:top-1.tar.gz"})
    before = lab.bytes()
    repository.commit({"README": "new"}, "new")
    for name in ("glib.bst", "gtk.bst", "top.bst"):
        assert (await bench.run(name)).cached
    assert lab.bytes() == before


async def test_an_upstream_that_is_down_fails_its_own_element_only(bench: Bench, tmp_path: Path) -> None:
    lab = bench.lab
    lab.repository("glib")
    (tmp_path / "gone").mkdir()
    with UpstreamServer(tmp_path / "gone") as gone:
        dead = gone.url
    for kind in ("git_repo", "git", "git_tag"):
        lab.element(f"{kind}.bst", {"kind": kind, "url": f"{dead}/x.git", "track": "main"})
    lab.element("tar.bst", {"kind": "tar", "url": f"{dead}/x.tar"})
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})

    for kind in ("git_repo", "git", "git_tag", "tar"):
        with pytest.raises(ElementError, match=dead) as failure:
            await bench.run(f"{kind}.bst")
        assert "\n" not in str(failure.value)
    (worker,) = bench.engine.pids
    assert (await bench.run("glib.bst")).cached
    assert bench.engine.pids == (worker,)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"kind": "git_repo", "url": "up:none.git", "track": "main"}, "none.git"),
        ({"kind": "git", "url": "up:none.git", "track": "main"}, "fatal: repository .*none.git.* not found"),
        ({"kind": "git_repo", "url": "up:glib.git", "track": "no-such-branch"}, "No matching refs"),
        ({"kind": "git_repo", "url": "up:glib.git"}, "no ref for source 0"),
        ({"kind": "git", "url": "file:///etc", "track": "main"}, "no address of another machine"),
        ({"kind": "remote", "url": "file:///etc/hostname"}, "no address of another machine"),
        ({"kind": "git", "url": "--upload-pack=touch x", "track": "main"}, "no address of another machine"),
    ],
)
async def test_what_cannot_be_tracked_is_refused_in_one_line(
    source: dict[str, str], reason: str, bench: Bench
) -> None:
    lab = bench.lab
    lab.repository("glib")
    lab.element("it.bst", source)
    with pytest.raises(ElementError, match=reason):
        await bench.run("it.bst")


async def test_an_unknown_element_is_refused(bench: Bench) -> None:
    with pytest.raises(ElementError, match=r"no element .*missing\.bst"):
        await bench.run("missing.bst")


async def test_a_cache_that_is_down_is_temporary_and_used_again_when_it_is_back(
    lab: Lab, tmp_path: Path
) -> None:
    lab.repository("glib")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})
    reported: list[tuple[SourceRef, ...]] = []

    async def on_tracked(refs: tuple[SourceRef, ...], milliseconds: float) -> None:
        reported.append(refs)

    with SourceCache(tmp_path / "own-cache") as cache:
        cache.stop()
        async with running(lab, cache.url) as bench:
            with pytest.raises(Temporary, match="source cache"):
                await bench.run("glib.bst", on_tracked=on_tracked)
            assert len(reported) == 1
            (worker,) = bench.engine.pids
            cache.start()
            assert (await bench.run("glib.bst")).cached
            assert bench.engine.pids == (worker,)


async def test_blobs_that_the_cache_lost_are_pushed_again(lab: Lab, tmp_path: Path) -> None:
    lab.repository("glib")
    lab.element("glib.bst", {"kind": "git", "url": "up:glib.git", "track": "main"})
    with SourceCache(tmp_path / "own-cache") as cache:
        async with running(lab, cache.url, shortcut=False) as bench:
            first = await bench.run("glib.bst")
            objects = [path for path in (tmp_path / "own-cache").rglob("objects/*/*") if path.is_file()]
            assert objects
            for path in objects:
                path.unlink()
            # The worker's storage daemon believes it has sent them; a new worker's does not.
            with pytest.raises(Temporary, match="not all there"):
                await bench.run("glib.bst", refs=first.refs)
            again = await bench.run("glib.bst", refs=first.refs)
            assert again.cached
            assert "push" in again.milliseconds
        with cache_at(cache.url) as remote:
            assert remote.holds(again.element_key or "")


async def test_a_source_that_needs_the_ones_before_it_is_tracked_with_them(bench: Bench) -> None:
    lab = bench.lab
    inner, outer = lab.repository("inner"), lab.repository("outer")
    lab.element(
        "outer.bst",
        {"kind": "git_repo", "url": "up:outer.git", "track": "main"},
        {"kind": "git_module", "url": "up:inner.git", "path": "sub"},
    )
    outer.commit({".gitmodules": '[submodule "sub"]\n\tpath = sub\n\turl = ../inner.git\n'}, "declare it")
    refs: tuple[SourceRef, ...] = ()
    for number in range(2):
        commit = inner.commit({"number": str(number)}, "inner")
        outer.link("sub", commit, "move the submodule")
        done = await bench.run("outer.bst", refs=refs)
        refs = done.refs
        assert [ref.ref for ref in refs] == [outer.commit_of("refs/heads/main"), commit]
        assert done.cached
