"""An unmodified client takes what the shortcut published, and its checkouts are what git expects."""

import subprocess
from pathlib import Path

import pytest

from hookfetch.demo.cache import SourceCache
from hookfetch.demo.repositories import ISOLATED
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.client import bst
from tests.engine.lab import Lab, running
from tests.engine.shapes import SHAPES, Shaped, file
from tests.engine.staged import staged_by_buildstream

pytestmark = pytest.mark.engine


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": "/", **ISOLATED},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.strip()


async def test_a_client_fetches_by_element_and_by_source_and_checks_out_a_clean_work_tree(
    tmp_path: Path, source_cache: SourceCache
) -> None:
    (tmp_path / "upstreams/it").mkdir(parents=True)
    with UpstreamServer(tmp_path / "upstreams") as server:
        lab = Lab(tmp_path, f"{server.url}/it", tmp_path / "upstreams/it")
        upstream = Shaped(lab.upstreams / "glib.git")
        leaves = {**SHAPES["plain"], **SHAPES["modes"], **SHAPES["links"], **SHAPES["names"]}
        first = upstream.commit({"salt": file(b"for a client")})
        upstream.tag("release/1.0", first, annotated=True)
        commit = upstream.commit(leaves, first)
        source = {
            "kind": "git_repo",
            "url": "up:glib.git",
            "track": "main",
            "ref": f"release/1.0-1-g{commit}",
        }
        plain = {"kind": "git", "url": "up:glib.git", "track": "main", "ref": commit, "directory": "plain"}
        lab.element("both.bst", source, plain)
        async with running(lab, source_cache.url) as bench:
            done = await bench.run("both.bst", track=False)
            assert done.cached
        log = (lab.root / "state/engine/lab/0/worker.log").read_text()
        assert "shortcut not taken" not in log
        server.stop()

        # An element that nobody has published, of a source that was: pulled by the source's own name.
        lab.element("other.bst", {**source, "directory": "elsewhere"})
        for element in ("it/both.bst", "it/other.bst"):
            fetched = bst(lab, source_cache.url, "source", "fetch", element)
            assert fetched.returncode == 0, fetched.stderr
            assert "Pulled source" in fetched.stderr
        assert not list((lab.root / "client/sources").rglob("HEAD"))

        place = tmp_path / "checkout"
        checked_out = bst(
            lab, source_cache.url, "source", "checkout", "--directory", str(place), "it/other.bst"
        )
        assert checked_out.returncode == 0, checked_out.stderr
    (work_tree,) = (path.parent for path in place.rglob(".git"))
    assert git(work_tree, "status", "--porcelain") == ""
    assert git(work_tree, "describe", "--dirty") == f"release/1.0-1-g{commit[:7]}"
    assert git(work_tree, "log", "-1", "--format=%H") == commit


async def test_a_client_takes_a_clone_with_its_history_tags_and_branches(
    tmp_path: Path, source_cache: SourceCache
) -> None:
    (tmp_path / "upstreams/it").mkdir(parents=True)
    with UpstreamServer(tmp_path / "upstreams") as server:
        lab = Lab(tmp_path, f"{server.url}/it", tmp_path / "upstreams/it")
        upstream = Shaped(lab.upstreams / "glib.git")
        first = upstream.commit({"salt": file(b"for a clone")})
        upstream.tag("release/1.0", first, annotated=True)
        upstream.commit({"t": file(b"topic")}, first, ref="refs/heads/topic")
        commit = upstream.commit({**SHAPES["plain"], **SHAPES["modes"], **SHAPES["links"]}, first)
        ref = f"release/1.0-1-g{commit}"
        lab.element("clone.bst", {"kind": "git_tag", "url": "up:glib.git", "track": "main", "ref": ref})
        async with running(lab, source_cache.url) as bench:
            done = await bench.run("clone.bst", track=False)
            assert done.cached
            assert not staged_by_buildstream(lab, done)
        server.stop()

        fetched = bst(lab, source_cache.url, "source", "fetch", "it/clone.bst")
        assert fetched.returncode == 0, fetched.stderr
        assert "Pulled source" in fetched.stderr
        place = tmp_path / "checkout"
        checked_out = bst(
            lab, source_cache.url, "source", "checkout", "--directory", str(place), "it/clone.bst"
        )
        assert checked_out.returncode == 0, checked_out.stderr
    (work_tree,) = (path.parent for path in place.rglob(".git"))
    assert git(work_tree, "status", "--porcelain") == ""
    assert git(work_tree, "fsck", "--strict", "--no-dangling") == ""
    assert git(work_tree, "describe", "--long", "--abbrev=40", "--dirty") == ref
    assert git(work_tree, "log", "--format=%H") == f"{commit}\n{first}"
    branches = git(work_tree, "branch", "--all", "--format=%(refname)").splitlines()
    assert {"refs/heads/main", "refs/remotes/origin/main", "refs/remotes/origin/topic"} <= set(branches)
    assert git(work_tree, "reflog", "--format=%gs").startswith("checkout: moving from main to ")
