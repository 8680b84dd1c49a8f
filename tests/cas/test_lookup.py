"""A name is answered only with what is all there, and a lease does not outlive what it is for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.cas.channel import Servers
from hookfetch.cas.lookup import Lookup
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import CacheAway
from hookfetch.demo.cache import SourceCache
from tests.support.assets import Assets, digest_of

pytestmark = pytest.mark.engine

KEY, SOURCE = "a" * 64, f"git/{'b' * 64}"


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[SourceCache]:
    with SourceCache(tmp_path / "cache") as server:
        yield server


@pytest.fixture
def assets(cache: SourceCache, tmp_path: Path) -> Iterator[Assets]:
    made = Assets(cache, tmp_path / "cache")
    yield made
    made.close()


def test_an_element_and_a_source_are_found_while_every_blob_is_there(
    cache: SourceCache, assets: Assets
) -> None:
    message, root = assets.element(KEY, b"whole")
    assets.source(SOURCE, root)
    with Servers([SourceCacheConfig(url=cache.url)]) as servers:
        lookup = Lookup(servers, lease=0.0)
        assert (lookup.element(KEY), lookup.source(SOURCE)) == (message, root)
        assert (lookup.element("c" * 64), lookup.source(f"git/{'c' * 64}")) == (None, None)
        assets.lose(digest_of(b"whole"))
        assert (lookup.element(KEY), lookup.source(SOURCE)) == (None, None)


def test_a_lease_ends_when_what_the_name_stands_for_is_gone_or_the_cache_was_away(
    cache: SourceCache, assets: Assets
) -> None:
    message, _ = assets.element(KEY, b"leased")
    with Servers([SourceCacheConfig(url=cache.url)]) as servers:
        lookup = Lookup(servers, lease=3600.0)
        assert lookup.element(KEY) == message
        assets.lose(digest_of(b"leased"))
        assert lookup.element(KEY) == message  # walked within the lease
        cache.stop()
        with pytest.raises(CacheAway, match=cache.url):
            lookup.element(KEY)
        cache.start()
        assert lookup.element(KEY) is None
        assets.blob(b"leased")
        assert lookup.element(KEY) == message
        assets.lose(message)
        assert lookup.element(KEY) is None


def test_of_several_storages_each_has_it_all(cache: SourceCache, assets: Assets, tmp_path: Path) -> None:
    assets.element(KEY, b"only here")
    with SourceCache(tmp_path / "other") as other:
        configs = [SourceCacheConfig(url=cache.url), SourceCacheConfig(url=other.url, type="storage")]
        with Servers(configs) as servers:
            assert Lookup(servers, lease=0.0).element(KEY) is None
