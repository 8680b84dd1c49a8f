"""What a cache was found to have a moment ago, told again without asking for it.

Machines of one farm ask for the same names, at once or one after the other. So for a minute after a name was
looked up each storage is asked, twice a second, for all such in one question: what is told was there within
the last second.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from hookfetch.cas.channel import Servers
from hookfetch.cas.lookup import lost
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import HookfetchError

_log = structlog.get_logger(__name__)

SECONDS = 1.0  # for which what was seen counts
_EACH_SECONDS = 0.5
# Then it is looked up anew: by its name, and walked if its lease has ended.
LONGEST_SECONDS = 60.0
MOST = 10_000  # under 1 MB of the usual 4 MB a message


@dataclass(slots=True)
class _Seen:
    digest: Any
    since: float
    until: float


class Remembered:
    """What is in the storages of `servers`, asked from a thread of its own."""

    def __init__(self, servers: Sequence[SourceCacheConfig]) -> None:
        self._servers = Servers(servers)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asset-seen")
        self._seen: OrderedDict[Hashable, _Seen] = OrderedDict()
        self._keeping: asyncio.Task[None] | None = None

    def get(self, what: Hashable) -> Any:
        """Return the digest that was put last for `what`, None if that is not sure any more."""
        seen = self._seen.get(what)
        return seen.digest if seen is not None and _now() < seen.until else None

    def put(self, what: Hashable, digest: Any, since: float) -> None:
        """Keep what was found by a look-up that began at `since`, of the event loop's time."""
        self._seen[what] = _Seen(digest, since, since + SECONDS)
        self._seen.move_to_end(what)
        while len(self._seen) > MOST:
            self._seen.popitem(last=False)
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep(), name="assets seen")

    async def close(self) -> None:
        """Return once nothing is asked any more."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        await asyncio.get_running_loop().run_in_executor(self._thread, self._servers.close)
        self._thread.shutdown(wait=False)

    async def _keep(self) -> None:
        """Ask for what is kept until nothing is, or the cache is away: then it is not sure any more."""
        while self._seen:
            await asyncio.sleep(_EACH_SECONDS)
            began = _now()
            digests = {seen.digest.hash: seen.digest for seen in self._seen.values()}
            ask = partial(lost, self._servers, list(digests.values()))
            try:
                missing = await asyncio.get_running_loop().run_in_executor(self._thread, ask)
            except HookfetchError as error:
                _log.info("assets not sure any more", reason=str(error))
                self._seen.clear()
                return
            for what, seen in list(self._seen.items()):
                if seen.digest.hash in missing or began > seen.since + LONGEST_SECONDS:
                    del self._seen[what]
                elif seen.digest.hash in digests:
                    seen.until = began + SECONDS


def _now() -> float:
    return asyncio.get_running_loop().time()
