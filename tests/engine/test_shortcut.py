"""The shortcut has the cache hold what BuildStream would, and leaves to it what it is not sure of."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hookfetch.core.errors import ElementError
from hookfetch.demo.cache import SourceCache
from tests.engine.conftest import Both
from tests.engine.lab import Lab, running
from tests.engine.shapes import SUBMODULE, Leaf, Shaped, file, link
from tests.engine.staged import staged_by_buildstream

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


async def test_several_sources_in_their_directories_are_put_together_as_buildstream_does(both: Both) -> None:
    first = Shaped(both.lab.upstreams / "first.git")
    first.commit({"top": file(b"1"), "sub/a": file(b"a"), "up": link(b"../x")})
    second = Shaped(both.lab.upstreams / "second.git")
    second.commit({"b": file(b"b"), "deep/c": file(b"c")})
    Shaped(both.lab.upstreams / "none.git").commit({})
    sources = [
        {"kind": "git", "url": "up:first.git", "track": "main"},
        {"kind": "git", "url": "up:second.git", "track": "main", "directory": "sub"},
        {"kind": "git", "url": "up:second.git", "track": "main", "directory": "sub/deep/again"},
        {"kind": "git", "url": "up:none.git", "track": "main", "directory": "hollow"},
    ]
    both.lab.element("several.bst", *sources)
    both.long.lab.fresh = True

    short = await both.short.run("several.bst")
    long = await both.long.run("several.bst")

    assert short.cached
    assert long.cached
    assert not staged_by_buildstream(both.lab, short)
    assert staged_by_buildstream(both.long.lab, long)
    assert short.element_key == long.element_key
    assert short.element_key is not None
    assert both.short_cache.name(short.element_key) == both.long_cache.name(short.element_key)
    assert both.short_cache.element(short.element_key) == both.long_cache.element(short.element_key)
    for key in short.source_keys:
        assert both.short_cache.source(key) == both.long_cache.source(key)


@pytest.mark.parametrize("kind", ["git", "git_repo", "git_tag"])
async def test_every_later_commit_goes_the_short_way(kind: str, both: Both) -> None:
    repository = both.lab.repository(f"later-{kind}")
    both.lab.element("later.bst", {"kind": kind, "url": f"up:later-{kind}.git", "track": "main"})
    for number in range(3):
        commit = repository.commit({"number": str(number)}, "next")
        done = await both.short.run("later.bst")
        assert commit in str(done.refs[0].ref)
        assert done.cached
        assert not staged_by_buildstream(both.lab, done)
        assert set(done.milliseconds) == {"track", "fetch", "push", "prove"}


async def test_a_file_too_large_for_one_message_is_there(both: Both) -> None:
    data = bytes(range(256)) * 20_000
    Shaped(both.lab.upstreams / "large.git").commit({"large": file(data)})
    both.lab.element("large.bst", {"kind": "git", "url": "up:large.git", "track": "main"})

    done = await both.short.run("large.bst")

    assert not staged_by_buildstream(both.lab, done)
    assert done.element_key is not None
    root = both.short_cache.element(done.element_key)
    assert both.short_cache.node(root, "large").size == len(data)


TAGGED = {"kind": "git", "track": "main", "track-tags": True}


@pytest.mark.parametrize(
    ("leaves", "source"),
    [
        ({".gitattributes": file(b"*.txt text eol=crlf\n"), "a.txt": file(b"a\n")}, {"kind": "git"}),
        ({"d/.gitattributes": file(b"[attr]x ident\n"), "d/a": file(b"$Id$")}, {"kind": "git_repo"}),
        ({".gitattributes": link(b"other"), "other": file(b"* ident\n")}, {"kind": "git"}),
        ({"m": Leaf(SUBMODULE, b"1" * 40)}, {"kind": "git"}),
        ({"x": file(b"tagged")}, TAGGED),
        ({"x": file(b"slashes")}, {"kind": "git", "directory": "a//b"}),
        ({"m": Leaf(SUBMODULE, b"1" * 40)}, {"kind": "git_tag"}),
        ({".gitattributes": file(b"*.bin diff=lfs\n")}, {"kind": "git_tag"}),
    ],
    ids=[
        *("eol", "macro", "linked attributes", "submodule", "tags", "directory"),
        *("submodule of a clone", "large files"),
    ],
)
async def test_what_checkouts_differ_in_goes_buildstreams_way(
    leaves: dict[str, Leaf], source: dict[str, object], both: Both, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id.replace(" ", "-")
    upstream = Shaped(both.lab.upstreams / f"{name}.git")
    upstream.tag("v1", upstream.commit(leaves))
    both.lab.element("it.bst", {"url": f"up:{name}.git", "track": "main", **source})

    done = await both.short.run("it.bst")

    assert done.cached
    assert staged_by_buildstream(both.lab, done)


async def test_blobs_that_the_cache_lost_are_pushed_again_by_the_same_worker(
    lab: Lab, tmp_path: Path
) -> None:
    lab.repository("glib")
    lab.element("glib.bst", {"kind": "git", "url": "up:glib.git", "track": "main"})
    with SourceCache(tmp_path / "own-cache") as cache:
        async with running(lab, cache.url) as bench:
            first = await bench.run("glib.bst")
            objects = [path for path in (tmp_path / "own-cache").rglob("objects/*/*") if path.is_file()]
            assert objects
            for path in objects:
                path.unlink()

            again = await bench.run("glib.bst", refs=first.refs)

            assert again.cached
            assert not staged_by_buildstream(lab, again)


async def test_overlapping_sources_and_other_kinds_go_buildstreams_way(both: Both) -> None:
    both.lab.repository("glib")
    both.lab.repository("gtk")
    both.lab.tarball("top-1.tar.gz", "one")
    git = {"kind": "git", "url": "up:glib.git", "track": "main"}
    both.lab.element("overlap.bst", git, {**git, "url": "up:gtk.git"})
    both.lab.element("mixed.bst", git, {"kind": "remote", "url": "up:top-1.tar.gz", "directory": "t"})
    for name in ("overlap.bst", "mixed.bst"):
        done = await both.short.run(name)
        assert done.cached
        assert staged_by_buildstream(both.lab, done)


async def test_a_warning_that_the_project_makes_fatal_is_still_an_error(
    lab: Lab, source_cache: SourceCache
) -> None:
    lab.write_project(**{"fatal-warnings": ["ref-not-in-track"]})
    upstream = Shaped(lab.upstreams / "glib.git")
    other = upstream.commit({"x": file(b"x")}, ref="refs/heads/other")
    upstream.commit({"y": file(b"y")})
    lab.element("glib.bst", {"kind": "git", "url": "up:glib.git", "track": "main", "ref": other})
    async with running(lab, source_cache.url) as bench:
        with pytest.raises(ElementError, match="was not found in given track"):
            await bench.run("glib.bst", track=False)


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        (".gitconfig", "[core]\n\tautocrlf = true\n", "staged otherwise: git/bin.txt"),
        (".gitconfig", "[core]\n\tattributesFile = ~/rules\n", "rules has git attributes"),
        (".config/git/attributes", "* ident\n", "has git attributes for every repository"),
    ],
)
async def test_a_machine_that_checks_out_otherwise_has_no_shortcut_and_says_so(
    path: str, text: str, reason: str, lab: Lab, source_cache: SourceCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = lab.root / "home"
    (home / path).parent.mkdir(parents=True)
    (home / path).write_text(text)
    (home / "rules").write_text("* ident\n")
    monkeypatch.setenv("HOME", str(home))
    lab.repository("glib")
    lab.element("glib.bst", {"kind": "git", "url": "up:glib.git", "track": "main"})
    with capture_logs() as logs:
        async with running(lab, source_cache.url) as bench:
            done = await bench.run("glib.bst")

    assert done.cached
    assert staged_by_buildstream(lab, done)
    (said,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert said["event"].startswith("shortcut off")
    assert reason in said["reason"]


async def test_where_clones_alone_differ_other_kinds_keep_their_shortcut(
    lab: Lab, source_cache: SourceCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab.root / "home").mkdir()
    (lab.root / "home/.gitconfig").write_text("[core]\n\tlogAllRefUpdates = false\n")
    monkeypatch.setenv("HOME", str(lab.root / "home"))
    lab.repository("glib")
    for kind in "git", "git_tag":
        lab.element(f"{kind}.bst", {"kind": kind, "url": "up:glib.git", "track": "main"})
    with capture_logs() as logs:
        async with running(lab, source_cache.url) as bench:
            done = {kind: await bench.run(f"{kind}.bst") for kind in ("git", "git_tag")}

    assert not staged_by_buildstream(lab, done["git"])
    assert staged_by_buildstream(lab, done["git_tag"])
    (said,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert said["reason"] == "git_tag: Unsuited: git keeps no logs here"


async def test_a_checked_worker_says_nothing_and_leaves_nothing_of_its_check(
    lab: Lab, source_cache: SourceCache
) -> None:
    lab.repository("glib")
    lab.element("glib.bst", {"kind": "git", "url": "up:glib.git", "track": "main"})
    with capture_logs() as logs:
        async with running(lab, source_cache.url) as bench:
            done = await bench.run("glib.bst")
    assert logs == []
    assert not staged_by_buildstream(lab, done)
    state = lab.root / "state/engine/lab/0"
    assert not (state / "shortcut").exists()
    assert list((lab.root / "state/mirrors").glob("projects/lab/git.*/content/*glib_git")) != []
    assert not [path for path in state.glob("sources/*/*") if path.exists()]


async def test_whatever_goes_wrong_on_the_short_way_is_done_buildstreams_way(both: Both) -> None:
    repository = both.lab.repository("broken")
    both.lab.element("broken.bst", {"kind": "git", "url": "up:broken.git", "track": "main"})
    await both.short.run("broken.bst")
    (mirror,) = (both.lab.root / "state/mirrors/projects/lab").glob("git.*/content/*broken_git")
    # Git reads such a repository, and the library that the shortcut reads with refuses it.
    config = mirror / "config"
    text = config.read_text().replace("repositoryformatversion = 0", "repositoryformatversion = 1")
    config.write_text(f"{text}[extensions]\n\tpartialClone = origin\n")
    repository.commit({"README": "second"}, "second")

    done = await both.short.run("broken.bst")

    assert done.cached
    assert staged_by_buildstream(both.lab, done)
    log = (both.lab.root / "state/engine/lab/0/worker.log").read_text()
    assert "shortcut not taken" in log
    assert "GitError" in log
