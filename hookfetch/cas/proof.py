"""Ask a remote source cache whether it holds the whole tree of an element's sources. Reads only.

An index that answers is no proof: the server may have expired the blobs behind it. So the
tree is walked and every blob in it asked for (Remote Asset API v1, Remote Execution API v2).
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Self

import grpc

from hookfetch.cas.channel import TIMEOUT, code_of, open_channel, text_of
from hookfetch.cas.protos import (
    remote_asset_pb2,
    remote_asset_pb2_grpc,
    remote_execution_pb2,
    remote_execution_pb2_grpc,
    source_pb2,
)
from hookfetch.core.errors import Temporary

SOURCE_URN = "urn:fdc:buildstream.build:2020:source:"
_MAX_DIRECTORIES = 1_000_000
_BATCH = 10_000  # digests asked at once: under 1 MB of the usual 4 MB a message


class RemoteCache:
    """A server with index and storage at `url` (http or https); usable from one thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connect()

    def _connect(self) -> None:
        self._channel = open_channel(self._url)
        self._index: Any = remote_asset_pb2_grpc.FetchStub(self._channel)
        self._storage: Any = remote_execution_pb2_grpc.ContentAddressableStorageStub(self._channel)

    def holds(self, element_key: str) -> bool:
        """Return whether the sources of `element_key` can be had from here, every blob of them.

        Temporary when the server does not answer, or not in its protocol.
        """
        try:
            return self._holds(element_key)
        except grpc.RpcError as error:
            # A channel that failed waits before it tries again; a new one asks at once.
            self._channel.close()
            self._connect()
            raise Temporary(f"source cache {self._url}: {text_of(error)}") from error

    def _holds(self, element_key: str) -> bool:
        blob = self._asset(SOURCE_URN + element_key)
        if blob is None:
            return False
        content = self._read(blob)
        if content is None:
            return False
        root = source_pb2.Source.FromString(content).files
        wanted = self._tree(root)
        if wanted is None:
            return False
        return not any(self._missing(batch) for batch in _batches(wanted))

    def _asset(self, urn: str) -> Any:
        try:
            answer = self._index.FetchBlob(remote_asset_pb2.FetchBlobRequest(uris=[urn]), timeout=TIMEOUT)
        except grpc.RpcError as error:
            if code_of(error) is grpc.StatusCode.NOT_FOUND:
                return None
            raise
        return None if answer.status.code else answer.blob_digest

    def _read(self, digest: Any) -> bytes | None:
        request = remote_execution_pb2.BatchReadBlobsRequest(digests=[digest])
        (answer,) = self._storage.BatchReadBlobs(request, timeout=TIMEOUT).responses
        return None if answer.status.code else bytes(answer.data)

    def _tree(self, root: Any) -> dict[tuple[str, int], Any] | None:
        """Return every digest of the tree below `root`, or None if a directory of it is missing."""
        found: dict[str, Any] = {}
        try:
            request = remote_execution_pb2.GetTreeRequest(root_digest=root)
            for page in self._storage.GetTree(request, timeout=TIMEOUT):
                found.update((_hash(directory), directory) for directory in page.directories)
                if len(found) > _MAX_DIRECTORIES:
                    raise Temporary(
                        f"source cache {self._url}: a tree of over {_MAX_DIRECTORIES} directories"
                    )
        except grpc.RpcError as error:
            if code_of(error) is grpc.StatusCode.NOT_FOUND:
                return None
            raise
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
            wanted.update(
                ((file.digest.hash, file.digest.size_bytes), file.digest) for file in directory.files
            )
            fresh = [node.digest for node in directory.directories if node.digest.hash not in seen]
            seen.update(child.hash for child in fresh)
            waiting += fresh
        return wanted

    def _missing(self, digests: list[Any]) -> bool:
        request = remote_execution_pb2.FindMissingBlobsRequest(blob_digests=digests)
        return bool(self._storage.FindMissingBlobs(request, timeout=TIMEOUT).missing_blob_digests)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _hash(directory: Any) -> str:
    return hashlib.sha256(directory.SerializeToString(deterministic=True)).hexdigest()


def _batches(digests: dict[tuple[str, int], Any]) -> Iterator[list[Any]]:
    # Every server has the empty blob, uploaded or not (Remote Execution API, "empty blobs").
    waiting = iter(_filled(digests.values()))
    while batch := list(islice(waiting, _BATCH)):
        yield batch


def _filled(digests: Iterable[Any]) -> Iterator[Any]:
    return (digest for digest in digests if digest.size_bytes)
