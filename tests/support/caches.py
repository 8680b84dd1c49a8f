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
def publisher_at(*urls: str, lease: float = 0.0) -> Iterator[Publisher]:
    """Give what publishes there, and takes it as held for `lease` seconds."""
    with Servers([SourceCacheConfig(url=url) for url in urls]) as servers:
        yield Publisher(servers, lease)
