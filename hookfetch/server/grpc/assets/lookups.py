"""Lookups in source caches off the event loop: a few threads a cache, each name always in the same one.

So a name is proved once however many ask, a large tree holds up only the names that share its thread, and
nothing waits without bound.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from hookfetch.cas.channel import Servers
from hookfetch.cas.lookup import Lookup
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import Busy, CacheAway
from hookfetch.server.grpc.assets.remembered import Remembered

_THREADS = 8
_MOST_WAITING = 200  # a thread
# A cache that did not answer is not asked for so long, or a client would wait for it with every name.
AWAY_SECONDS = 5.0

Kind = Literal["element", "source"]


class CacheLookups:
    """The source cache that `servers` are, asked from threads of its own."""

    def __init__(self, servers: Sequence[SourceCacheConfig], lease: float) -> None:
        self._away = _Away()
        self._shards = [_Shard(servers, lease, self._away) for _ in range(_THREADS)]
        self._remembered = Remembered(servers)

    async def find(self, kind: Kind, name: str) -> Any:
        """Return the digest that the cache has under a name, proved to be whole, or None.

        Raises as `Lookup.element`, and Busy when too many wait already.
        """
        digest = self._remembered.get((kind, name))
        if digest is not None:
            return digest
        self._away.check()
        number = hashlib.sha256(name.encode()).digest()[0] % len(self._shards)
        began = asyncio.get_running_loop().time()
        digest = await self._shards[number].find(kind, name)
        if digest is not None:
            self._remembered.put((kind, name), digest, began)
        return digest

    async def close(self) -> None:
        """Return once what is being looked up has ended."""
        await self._remembered.close()
        await asyncio.gather(*(shard.close() for shard in self._shards))


class _Away:
    """Whether a cache has just been found not to be there; for any thread."""

    def __init__(self) -> None:
        self._found: tuple[float, str] = (0.0, "")

    def check(self) -> None:
        """Return if it may be asked; CacheAway otherwise."""
        until, reason = self._found
        if time.monotonic() < until:
            raise CacheAway(reason)

    def begin(self, error: CacheAway) -> None:
        """Let it alone for a while."""
        self._found = (time.monotonic() + AWAY_SECONDS, str(error))


class _Shard:
    def __init__(self, servers: Sequence[SourceCacheConfig], lease: float, away: _Away) -> None:
        self._away = away
        self._servers = Servers(servers)
        self._lookup = Lookup(self._servers, lease)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asset-lookup")
        self._waiting = 0

    async def find(self, kind: Kind, name: str) -> Any:
        if self._waiting >= _MOST_WAITING:
            raise Busy(f"{_MOST_WAITING} lookups wait already")
        look = self._lookup.element if kind == "element" else self._lookup.source
        self._waiting += 1
        looking = asyncio.get_running_loop().run_in_executor(self._thread, self._look, look, name)
        looking.add_done_callback(self._left)
        return await looking

    def _look(self, look: Callable[[str], Any], name: str) -> Any:
        self._away.check()  # it may have been found since this was asked for
        try:
            return look(name)
        except CacheAway as error:
            self._away.begin(error)
            raise

    def _left(self, looked: "asyncio.Future[Any]") -> None:
        self._waiting -= 1
        if not looked.cancelled():
            looked.exception()  # who asked may have left before it was raised

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._servers.close)
        self._thread.shutdown(wait=False)
