"""The directory that is cached for an element is the one BuildStream stages: compared with `bst build`.

An import element's artifact is its staged sources and nothing else, made in storage alone as for remote
execution, so an unmodified `bst` says which directory that is.
"""

import asyncio
import hashlib
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from buildstream._protos.buildstream.v2 import artifact_pb2

from hookfetch.cas.directories import Digest
from hookfetch.core import digests
from hookfetch.core.ports import Finished
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.repositories import create_tarball
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.client import bst_as
from tests.engine.lab import PLUGINS, Lab, running
from tests.engine.staged import Staged, digest

pytestmark = pytest.mark.engine

PATCH = "--- a/README\n+++ b/README\n@@ -1 +1 @@\n-plain\n+patched\n"
# BuildStream itself does not stage these twice the same: in their `.git` is when that was.
WITH_TIMES = {"git_repo", "git_tag", "mixed"}


@dataclass(frozen=True)
class Compared:
    """What hookfetch has cached of each element, and what `bst build` made: with hookfetch's cache, and from
    the upstreams alone."""

    done: Mapping[str, Finished]
    cached: Mapping[str, Digest]
    through_cache: Mapping[str, Digest]
    from_upstreams: Mapping[str, Digest]


def elements(lab: Lab) -> dict[str, list[dict[str, Any]]]:
    """Make the upstreams; return the sources of elements of each kind, and of several."""
    plain = lab.repository("plain")
    commit = plain.commit({"README": "plain\n", "vendor/own": "own\n", "x/y/z": "deep\n"}, "second")
    plain.tag("v1.0", message="one")
    for number in (1, 2):
        content = {"top/text": f"{number}", f"top/only-{number}": "x", f"top/vendor/{number}": "x"}
        create_tarball(lab.upstreams, f"t{number}.tar.gz", content)
    with zipfile.ZipFile(lab.upstreams / "z.zip", "w") as archive:
        archive.writestr("top/zipped", "z")
        archive.writestr("top/text", "the last wins")
    lab.project.joinpath("files/sub").mkdir(parents=True)
    lab.project.joinpath("files/sub/program").write_text("#!/bin/sh\n")
    lab.project.joinpath("files/sub/program").chmod(0o755)
    lab.project.joinpath("files/link").symlink_to("sub/program")
    lab.project.joinpath("fix.patch").write_text(PATCH)

    def file(kind: str, name: str, **more: str) -> dict[str, Any]:
        ref = hashlib.sha256((lab.upstreams / name).read_bytes()).hexdigest()
        return {"kind": kind, "url": f"up:{name}", "ref": ref, **more}

    def git(kind: str, ref: str = commit, **more: str) -> dict[str, Any]:
        return {"kind": kind, "url": "up:plain.git", "track": "main", "ref": ref, **more}

    local = {"kind": "local", "path": "files"}
    return {
        "git": [git("git")],
        "git_repo": [git("git_repo")],
        "git_tag": [git("git_tag", f"v1.0-0-g{commit}")],
        "tar": [file("tar", "t1.tar.gz")],
        "zip": [file("zip", "z.zip")],
        "remote": [file("remote", "t1.tar.gz", filename="kept-as.tgz")],
        "local": [local],
        "patch": [git("git"), {"kind": "patch", "path": "fix.patch"}],
        "directory": [git("git", directory="deep/down")],
        "several": [
            git("git"),
            file("tar", "t1.tar.gz", directory="vendor/one"),
            file("remote", "t2.tar.gz", directory="vendor"),
            {**local, "directory": "/own/"},
        ],
        "overlapping": [file("tar", "t1.tar.gz"), file("tar", "t2.tar.gz"), file("zip", "z.zip"), local],
        "mixed": [git("git_repo"), file("tar", "t2.tar.gz", directory="subprojects/t2")],
    }


NAMES = (
    *("git", "git_repo", "git_tag", "tar", "zip", "remote", "local", "patch"),
    *("directory", "several", "overlapping", "mixed"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def compared(
    tmp_path_factory: pytest.TempPathFactory, upstreams: tuple[Path, UpstreamServer]
) -> AsyncIterator[Compared]:
    root = tmp_path_factory.mktemp("staged")
    place, server = upstreams
    (place / "staged").mkdir()
    lab = Lab(root, f"{server.url}/staged", place / "staged")
    patch = {"origin": "pip", "package-name": "buildstream-plugins", "sources": ["git", "patch"]}
    lab.write_project(plugins=[PLUGINS[0], patch])
    for name, sources in elements(lab).items():
        lab.element(f"{name}.bst", *sources)
    lab.write("elements/all.bst", {"kind": "stack", "depends": [f"it/{name}.bst" for name in NAMES]})
    with SourceCache(root / "source-cache") as cache, SourceCache(root / "other-cache") as other:
        done = {}
        async with running(lab, cache.url) as bench:
            for name in NAMES:
                done[name] = await bench.run(f"{name}.bst", track=False)
                assert done[name].cached, name
        staged = Staged(cache.url)
        cached = {name: staged.element(ended.element_key or "") for name, ended in done.items()}
        with_cache = {"source-caches": _servers(cache.url), "cache": {"storage-service": {"url": cache.url}}}
        without = {"cache": {"storage-service": {"url": other.url}}}
        artifacts = await asyncio.gather(
            asyncio.to_thread(built, lab, root / "through-cache", with_cache),
            asyncio.to_thread(built, lab, root / "from-upstreams", without),
        )
        yield Compared(done, cached, *artifacts)


def _servers(url: str) -> Mapping[str, Any]:
    return {"override-project-caches": True, "servers": [{"url": url, "type": "all"}]}


def built(lab: Lab, home: Path, configuration: Mapping[str, Any]) -> dict[str, Digest]:
    """Return the directory that an unmodified `bst build` made of each element."""
    ended = bst_as(lab, home, configuration, "build", "all.bst")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    artifacts = {}
    for name in NAMES:
        # By a strong and a weak key, of the same.
        (content,) = {
            path.read_bytes() for path in (home / "cache/artifacts/refs/lab" / f"it-{name}").iterdir()
        }
        artifacts[name] = digest(artifact_pb2.Artifact.FromString(content).files)
    return artifacts


@pytest.mark.parametrize("name", NAMES)
def test_what_is_cached_is_what_a_client_of_the_cache_stages(name: str, compared: Compared) -> None:
    assert compared.cached[name] == compared.through_cache[name]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITH_TIMES])
def test_what_is_cached_is_what_buildstream_stages_from_upstream_by_itself(
    name: str, compared: Compared
) -> None:
    assert compared.cached[name] == compared.from_upstreams[name]


def test_a_job_tells_which_directory_is_cached_for_all_sources_and_for_each(compared: Compared) -> None:
    told = {name: done.element_directory for name, done in compared.done.items()}
    assert told == {name: told_of(directory) for name, directory in compared.cached.items()}
    assert compared.done["git"].source_directories == (told["git"],)
    assert len(set(compared.done["several"].source_directories)) == 4
    # A patch is applied to what is before it, and is nothing by itself.
    assert compared.done["patch"].source_directories == (told["git"], None)


def told_of(directory: Digest) -> digests.Digest:
    return digests.Digest(directory.hash, directory.size)
