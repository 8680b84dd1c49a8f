"""What a source cache has under a name, proved to be whole before anyone is told. Reads only.

A name is an element's key (a blob, `buildstream.v2.Source`) or `<kind>/<key>` of one source (a directory).
"""

from collections.abc import Callable, Sequence
from typing import Any

from hookfetch.cas.channel import TIMEOUT, Server, Servers
from hookfetch.cas.leases import Leases
from hookfetch.cas.proof import (
    SOURCE_URN,
    blob_named,
    directory_named,
    holds_blob,
    holds_tree,
    root_of,
)
from hookfetch.cas.protos import remote_execution_pb2
from hookfetch.core.errors import CacheAway

_Named = Callable[[Server, str], Any]
_Root = Callable[[Server, Any], Any]


def lost(servers: Servers, digests: Sequence[Any]) -> frozenset[str]:
    """Return which blobs one of the storages does not have, by hash, in one question to each; raises as
    `Lookup.element`."""
    found: set[str] = set()
    request = remote_execution_pb2.FindMissingBlobsRequest(blob_digests=digests)
    for storage in servers.storages:
        with storage.asked() as ask:
            answer = ask.storage.FindMissingBlobs(request, timeout=TIMEOUT)
        found.update(each.hash for each in answer.missing_blob_digests)
    return frozenset(found)


class Lookup:
    """The `servers` that sources are pushed to; usable from one thread. A tree that was walked counts as
    whole for `lease` seconds, as long as each storage still has what the name stands for."""

    def __init__(self, servers: Servers, lease: float) -> None:
        self._servers = servers
        self._leases = Leases(lease)

    def element(self, key: str) -> Any:
        """Return the digest of the blob for an element's key, or None.

        CacheAway when a server is not there, Temporary when one does not speak its protocol.
        """
        return self._found(key, blob_named, root_of)

    def source(self, name: str) -> Any:
        """Return the digest of the directory of one source, or None; raises as `element`."""
        return self._found(name, directory_named, lambda _, digest: digest)

    def _found(self, name: str, named: _Named, root: _Root) -> Any:
        try:
            for index in self._servers.indexes:
                digest = named(index, SOURCE_URN + name)
                if digest is not None and all(
                    self._holds(storage, digest, root) for storage in self._servers.storages
                ):
                    return digest
        except CacheAway:
            self._leases.end_all()  # nobody knows what comes back
            raise
        return None

    def _holds(self, storage: Server, digest: Any, root: _Root) -> bool:
        lease = (storage, digest.hash)
        if self._leases.lasts(lease) and holds_blob(storage, digest):
            return True
        self._leases.end(lease)
        directory = root(storage, digest)
        if directory is None or not holds_tree(storage, directory):
            return False
        self._leases.grant(lease)
        return True
