"""Originals into a storage, off the event loop: one at a time in a thread of its own, proved to be there
before anyone is told. It finds none, and asks no upstream.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pygit2

from hookfetch.cas.channel import Servers
from hookfetch.cas.directories import Digest, Directory, Kept
from hookfetch.cas.git_objects import GitObjects
from hookfetch.cas.git_sources import content_of
from hookfetch.cas.git_trees import GitTrees, tree_of
from hookfetch.cas.leases import Leases
from hookfetch.cas.proof import holds_blob, holds_tree, message_of
from hookfetch.cas.publishing import Publisher
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import Busy, CacheAway, Temporary
from hookfetch.server.originals.finding import KeptFile

_MOST_WAITING = 100

T = TypeVar("T")


class Uploads:
    """The storages of `servers`. What was proved to be whole counts as such for `lease` seconds, as long as
    each storage still has its root."""

    def __init__(self, servers: Sequence[SourceCacheConfig], lease: float) -> None:
        self._servers = Servers(servers)
        self._publisher = Publisher(self._servers, lease)
        self._leases = Leases(lease)
        self._trees = GitTrees()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asset-upload")
        self._waiting = 0

    async def file(self, kept: KeptFile) -> Any:
        """Return the digest of a file that every storage holds now.

        CacheAway when a storage is not there, Temporary when one refuses it, Busy when too many wait already.
        """
        return await self._do(lambda: self._file(kept))

    async def tree(self, mirror: Path, commit: bytes) -> Any:
        """Return the digest of the directory that a checkout of a mirror's `commit` is, which every storage
        holds now; None where the mirror does not have the commit. Raises as `file`, and Unsuited when it is
        not certain what git would check out."""
        return await self._do(lambda: self._tree(mirror, commit))

    async def close(self) -> None:
        """Return once what is being uploaded has ended."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._servers.close)
        self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise Busy(f"{_MOST_WAITING} uploads wait already")
        self._waiting += 1
        doing = asyncio.get_running_loop().run_in_executor(self._thread, work)
        doing.add_done_callback(self._left)
        return await doing

    def _left(self, done: "asyncio.Future[Any]") -> None:
        self._waiting -= 1
        if not done.cancelled():
            done.exception()  # who asked may have left before it was raised

    def _file(self, kept: KeptFile) -> Any:
        digest = Digest(kept.digest, kept.size)
        self._publisher.keep({digest: Kept(kept.path, 0, kept.size)}, (), partial(content_of, []))
        found = message_of(digest)
        for storage in self._servers.storages:
            if not holds_blob(storage, found):
                raise Temporary(
                    f"source cache {storage.url}: {kept.digest} is not there after it was uploaded"
                )
        return found

    def _tree(self, place: Path, commit: bytes) -> Any:
        try:
            with GitObjects(place) as mirror:
                kind, content = mirror.read(commit)
                if kind != "commit":
                    return None
                directory = self._trees.checkout(mirror.read, tree_of(content)).directory
                self._keep(directory, mirror)
        except (KeyError, pygit2.GitError):
            return None
        except CacheAway:
            self._leases.end_all()  # nobody knows what comes back
            self._publisher.distrust()
            raise
        return message_of(directory.digest)

    def _keep(self, directory: Directory, mirror: GitObjects) -> None:
        root = message_of(directory.digest)
        storages = self._servers.storages
        if all(self._leases.lasts((each.url, root.hash)) and holds_blob(each, root) for each in storages):
            return
        for _ in range(2):
            self._publisher.keep({}, (directory,), partial(content_of, [mirror]))
            if all(holds_tree(each, root) for each in storages):
                for storage in storages:
                    self._leases.grant((storage.url, root.hash))
                return
            self._publisher.distrust()  # a storage lost what it said to have: everything is asked for
        raise Temporary(f"source cache {storages[0].url}: {root.hash} is not whole after it was uploaded")
