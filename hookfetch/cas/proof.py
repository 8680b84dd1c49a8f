"""Ask the servers of a source cache whether they hold the whole tree of an element's sources. Reads only.

An index that answers is no proof: the storage may have expired the blobs behind it. So the
tree is walked and every blob in it asked for (Remote Asset API v1, Remote Execution API v2).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import grpc

from hookfetch.cas.channel import TIMEOUT, Server, Servers, code_of
from hookfetch.cas.directories import Digest
from hookfetch.cas.leases import Leases
from hookfetch.cas.protos import remote_asset_pb2, remote_execution_pb2, source_pb2
from hookfetch.core import digests as told
from hookfetch.core.errors import CacheAway, Temporary

SOURCE_URN = "urn:fdc:buildstream.build:2020:source:"
_MAX_DIRECTORIES = 1_000_000
_BATCH = 10_000  # digests asked at once: under 1 MB of the usual 4 MB a message


class Published(NamedTuple):
    """What was published just now: the `message` that stands for it, and what each storage (by URL) was
    `sent` since it said that it has all the rest."""

    message: Digest
    sent: Mapping[str, Sequence[Digest]]


class Directories(NamedTuple):
    """What is cached of an element: the directory of all its sources, as BuildStream stages them, and that of
    each, in their order; None for one that is not cached by itself, as what changes others is not."""

    element: told.Digest
    sources: tuple[told.Digest | None, ...]


class RemoteCache:
    """The `servers` that sources are pushed to, as one cache; usable from one thread.

    A walk through a tree proves it for `lease` seconds, shorter than what the servers expire. Each index
    is asked for the name all the same, and each storage for what the name stands for: one that was made
    anew, or lost what it had, is seen at once.
    """

    def __init__(self, servers: Servers, lease: float = 0.0) -> None:
        self._servers = servers
        self._leases = Leases(lease)
        self.lost = False  # whether the last answer was no although an index had the name

    def holds(self, element_key: str, *, walk: bool = False) -> bool:
        """Return whether the sources of `element_key` can be had from here: every index has the name and
        every storage every blob. With `walk` no lease counts.

        CacheAway when a server is not there, Temporary when one does not speak its protocol.
        """
        try:
            return self._holds(element_key, walk)
        except CacheAway:
            self._leases.end_all()  # nobody knows what comes back
            raise

    def directories(self, element_key: str, source_keys: Sequence[str]) -> Directories | None:
        """Return which directories are cached under these keys, as the first index has it; None where the
        element's is not there, or is not whole in every storage. Raises as `holds`."""
        index, storages = self._servers.indexes[0], self._servers.storages
        message = blob_named(index, SOURCE_URN + element_key)
        # It may be another one than was proved: another worker's, pushed since.
        if message is None or not all(self._has_tree(storage, message, walk=False) for storage in storages):
            return None
        root = root_of(storages[0], message)
        if root is None:
            return None
        sources = (directory_named(index, SOURCE_URN + key) for key in source_keys)
        return Directories(_told(root), tuple(None if each is None else _told(each) for each in sources))

    def confirms(self, element_key: str, published: Published) -> bool:
        """Return whether what was `published` under `element_key` just now can be had from here: every index
        has its name, and every storage what it was sent. What a storage said that it has is not asked twice.

        Raises as `holds`.
        """
        for index in self._servers.indexes:
            digest = blob_named(index, SOURCE_URN + element_key)
            if digest is None or digest.hash != published.message.hash:
                return False
        for storage in self._servers.storages:
            sent = {digest: message_of(digest) for digest in published.sent[storage.url]}
            if any(_missing(storage, batch) for batch in _batches(sent)):
                return False
            self._leases.grant((storage, published.message.hash))
        return True

    def _holds(self, element_key: str, walk: bool) -> bool:
        self.lost = False
        messages: dict[str, Any] = {}
        for index in self._servers.indexes:
            digest = blob_named(index, SOURCE_URN + element_key)
            if digest is None:
                return False
            messages[digest.hash] = digest
        self.lost = not all(
            self._has_tree(storage, digest, walk)
            for storage in self._servers.storages
            for digest in messages.values()
        )
        return not self.lost

    def _has_tree(self, storage: Server, digest: Any, walk: bool) -> bool:
        lease = (storage, digest.hash)
        content = _read(storage, digest)
        if content is None:
            self._leases.end(lease)
            return False
        if not walk and self._leases.lasts(lease):
            return True
        self._leases.end(lease)
        if not holds_tree(storage, source_pb2.Source.FromString(content).files):
            return False
        self._leases.grant(lease)
        return True


def _told(digest: Any) -> told.Digest:
    return told.Digest(digest.hash, digest.size_bytes)


def holds_tree(storage: Server, root: Any) -> bool:
    """Return whether a storage has the directory `root` and every blob below it; raises as `holds`."""
    wanted = _tree(storage, root)
    return wanted is not None and not any(_missing(storage, batch) for batch in _batches(wanted))


def root_of(storage: Server, message: Any) -> Any:
    """Return the root directory that a `buildstream.v2.Source` stands for, None where the storage does not
    have the message; raises as `holds`."""
    content = _read(storage, message)
    return None if content is None else source_pb2.Source.FromString(content).files


def holds_blob(storage: Server, digest: Any) -> bool:
    """Return whether a storage has one blob; raises as `holds`."""
    return not _missing(storage, [digest])


def directory_named(index: Server, urn: str) -> Any:
    """Return the digest of the directory that an index has under a name, or None; raises as `holds`."""
    request = remote_asset_pb2.FetchDirectoryRequest(uris=[urn])
    return _named(index, "FetchDirectory", request, "root_directory_digest")


def blob_named(index: Server, urn: str) -> Any:
    """Return the digest of the blob that an index has under a name, or None; raises as `holds`."""
    return _named(index, "FetchBlob", remote_asset_pb2.FetchBlobRequest(uris=[urn]), "blob_digest")


def _named(index: Server, method: str, request: Any, field: str) -> Any:
    with index.asked() as ask:
        try:
            answer = getattr(ask.fetch, method)(request, timeout=TIMEOUT)
        except grpc.RpcError as error:
            if code_of(error) is grpc.StatusCode.NOT_FOUND:
                return None
            raise
    return None if answer.status.code else getattr(answer, field)


def _read(storage: Server, digest: Any) -> bytes | None:
    request = remote_execution_pb2.BatchReadBlobsRequest(digests=[digest])
    with storage.asked() as ask:
        (answer,) = ask.storage.BatchReadBlobs(request, timeout=TIMEOUT).responses
    return None if answer.status.code else bytes(answer.data)


def _tree(storage: Server, root: Any) -> dict[tuple[str, int], Any] | None:
    """Return every digest of the tree below `root`, or None if a directory of it is missing."""
    found = _directories(storage, root)
    if found is None:
        return None
    wanted: dict[tuple[str, int], Any] = {}
    seen = {root.hash}
    waiting = [root]
    while waiting:
        digest = waiting.pop()
        wanted[digest.hash, digest.size_bytes] = digest
        # A server leaves out what it does not have, without an error.
        directory = found.get(digest.hash)
        if directory is None:
            return None
        wanted.update(((file.digest.hash, file.digest.size_bytes), file.digest) for file in directory.files)
        fresh = [node.digest for node in directory.directories if node.digest.hash not in seen]
        seen.update(child.hash for child in fresh)
        waiting += fresh
    return wanted


def _directories(storage: Server, root: Any) -> dict[str, Any] | None:
    """Return the directories below `root` that the storage has, by hash; None when it lacks that."""
    found: dict[str, Any] = {}
    request = remote_execution_pb2.GetTreeRequest(root_digest=root)
    with storage.asked() as ask:
        try:
            for page in ask.storage.GetTree(request, timeout=TIMEOUT):
                found.update((_hash(directory), directory) for directory in page.directories)
                if len(found) > _MAX_DIRECTORIES:
                    raise Temporary(
                        f"source cache {storage.url}: a tree of over {_MAX_DIRECTORIES} directories"
                    )
        except grpc.RpcError as error:
            if code_of(error) is grpc.StatusCode.NOT_FOUND:
                return None
            raise
    return found


def _missing(storage: Server, digests: list[Any]) -> bool:
    request = remote_execution_pb2.FindMissingBlobsRequest(blob_digests=digests)
    with storage.asked() as ask:
        return bool(ask.storage.FindMissingBlobs(request, timeout=TIMEOUT).missing_blob_digests)


def _hash(directory: Any) -> str:
    return hashlib.sha256(directory.SerializeToString(deterministic=True)).hexdigest()


def message_of(digest: Digest) -> Any:
    """Return a digest as the Remote Execution API has it."""
    return remote_execution_pb2.Digest(hash=digest.hash, size_bytes=digest.size)


def _batches(digests: Mapping[Any, Any]) -> Iterator[list[Any]]:
    # Every server has the empty blob, uploaded or not (Remote Execution API, "empty blobs").
    waiting = iter(_filled(digests.values()))
    while batch := list(islice(waiting, _BATCH)):
        yield batch


def _filled(digests: Iterable[Any]) -> Iterator[Any]:
    return (digest for digest in digests if digest.size_bytes)
