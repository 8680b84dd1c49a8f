"""Source caches as tests speak to them."""

from collections.abc import Iterator
from contextlib import contextmanager

from hookfetch.cas.channel import Servers
from hookfetch.cas.proof import RemoteCache
from hookfetch.cas.publishing import Publisher
from hookfetch.config.caches import SourceCacheConfig


@contextmanager
def cache_at(*urls: str) -> Iterator[RemoteCache]:
    """Give the cache that servers of type `all` at `urls` are."""
    with Servers([SourceCacheConfig(url=url) for url in urls]) as servers:
        yield RemoteCache(servers)


@contextmanager
def publisher_at(*urls: str) -> Iterator[Publisher]:
    """Give what publishes there."""
    with Servers([SourceCacheConfig(url=url) for url in urls]) as servers:
        yield Publisher(servers)
