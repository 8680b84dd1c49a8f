"""An unmodified BuildStream client takes from the cache what the engine put there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.lab import Lab, running

pytestmark = pytest.mark.engine

# Stands in for a sandbox on machines without bubblewrap: the client refuses to start without
# one, and uses none to fetch.
NO_SANDBOX = '#!/bin/sh\n[ "$1" = --capabilities ] && echo platform:OSFamily=linux\n'


def fetch(lab: Lab, element: str, source_cache: str) -> "subprocess.CompletedProcess[str]":
    home = lab.root / "client"
    (home / "bin").mkdir(parents=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if shutil.which("bwrap") is None:
        stand_in = home / "bin/buildbox-run"
        stand_in.write_text(NO_SANDBOX)
        stand_in.chmod(0o755)
        path = f"{home / 'bin'}:{path}"
    (home / "buildstream.conf").write_text(
        json.dumps(
            {
                "sourcedir": str(home / "sources"),
                "cachedir": str(home / "cache"),
                "logdir": str(home / "logs"),
                "source-caches": {
                    "override-project-caches": True,
                    "servers": [{"url": source_cache, "type": "all"}],
                },
            }
        )
    )
    command = ["bst", "--no-colors", "--no-interactive", "--config", str(home / "buildstream.conf")]
    return subprocess.run(
        [*command, "source", "fetch", element],
        cwd=lab.project,
        env={"PATH": path, "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


async def test_a_client_with_an_empty_cache_and_dead_upstreams_fetches_announced_refs(
    tmp_path: Path, source_cache: SourceCache
) -> None:
    (tmp_path / "upstreams/it").mkdir(parents=True)
    with UpstreamServer(tmp_path / "upstreams") as server:
        lab = Lab(tmp_path, f"{server.url}/it", tmp_path / "upstreams/it")
        lab.repository("glib")
        lab.repository("gtk").tag("v1.0")
        lab.repository("pango").tag("v2.0")
        lab.tarball("top-1.tar.gz", "one")
        sources = [
            {"kind": "git_repo", "url": "up:glib.git", "track": "main"},
            {"kind": "git", "url": "up:gtk.git", "track": "main", "track-tags": "true", "directory": "gtk"},
            {"kind": "git_tag", "url": "up:pango.git", "track": "main", "directory": "pango"},
            {"kind": "tar", "url": "up:top-1.tar.gz", "directory": "top"},
            {"kind": "remote", "url": "up:top-1.tar.gz", "directory": "file"},
        ]
        lab.element("all.bst", *sources)
        lab.element("glib.bst", sources[0])
        async with running(lab, source_cache.url) as bench:
            done = await bench.run("all.bst")
            assert done.cached
            assert (await bench.run("glib.bst")).cached
        server.stop()

        # As a merged proposal leaves the files: keys of a mapping, else `ref`.
        for source, ref in zip(sources, done.refs, strict=True):
            source.update(ref.ref if isinstance(ref.ref, dict) else {"ref": ref.ref})  # type: ignore[dict-item] # JSON in, JSON out
        lab.element("all.bst", *sources)
        lab.element("glib.bst", sources[0])

        result = fetch(lab, "it/all.bst", source_cache.url)
    assert result.returncode == 0, result.stderr
    assert "Pulled source" in result.stderr
    assert not list((lab.root / "client/sources").rglob("HEAD"))
