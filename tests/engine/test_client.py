"""An unmodified BuildStream client takes from the cache what the engine put there."""

from pathlib import Path

import pytest

from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.client import bst
from tests.engine.lab import Lab, running

pytestmark = pytest.mark.engine


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

        result = bst(lab, source_cache.url, "source", "fetch", "it/all.bst")
    assert result.returncode == 0, result.stderr
    assert "Pulled source" in result.stderr
    assert not list((lab.root / "client/sources").rglob("HEAD"))
