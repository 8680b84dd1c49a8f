"""Which directories a source cache is said to have: those that can be had whole, and no other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.core.digests import Digest
from hookfetch.demo.cache import SourceCache
from tests.support.assets import Assets, digest_of
from tests.support.caches import cache_at

pytestmark = pytest.mark.engine


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SourceCache]:
    with SourceCache(tmp_path / "cache") as cache:
        yield cache


def test_a_directory_is_told_while_its_tree_is_whole(server: SourceCache, tmp_path: Path) -> None:
    assets = Assets(server, tmp_path / "cache")
    _, root = assets.element("key", b"content")
    assets.source("git/one", root)
    told = Digest(root.hash, root.size_bytes)
    with cache_at(server.url) as cache:
        assert cache.directories("unknown", []) is None
        assert cache.directories("key", ["git/one", "patch/two"]) == (told, (told, None))
        assets.lose(digest_of(b"content"))
        assert cache.directories("key", ["git/one"]) is None
    assets.close()
