"""What a source cache holds under a key, read as a client reads it."""

from typing import Any

import grpc

from hookfetch.cas.directories import Digest
from hookfetch.cas.proof import SOURCE_URN
from hookfetch.cas.protos import (
    remote_asset_pb2,
    remote_asset_pb2_grpc,
    remote_execution_pb2,
    remote_execution_pb2_grpc,
    source_pb2,
)
from hookfetch.core.ports import Finished
from tests.engine.lab import Lab


class Staged:
    """A source cache's content by key and path."""

    def __init__(self, url: str) -> None:
        channel = grpc.insecure_channel(url.removeprefix("http://"))
        self._storage: Any = remote_execution_pb2_grpc.ContentAddressableStorageStub(channel)
        self._index: Any = remote_asset_pb2_grpc.FetchStub(channel)

    def element(self, key: str) -> Digest:
        """Return the root of an element's staged sources."""
        return digest(source_pb2.Source.FromString(self.read(message(self.name(key)))).files)

    def name(self, key: str) -> Digest:
        """Return the message that names this root."""
        found = self._index.FetchBlob(remote_asset_pb2.FetchBlobRequest(uris=[SOURCE_URN + key]))
        return digest(found.blob_digest)

    def source(self, key: str) -> Digest:
        """Return the root of a single staged source."""
        request = remote_asset_pb2.FetchDirectoryRequest(uris=[SOURCE_URN + key])
        return digest(self._index.FetchDirectory(request).root_directory_digest)

    def node(self, root: Digest, *path: str) -> Digest:
        """Return the digest of a file or directory."""
        found = root
        for name in path:
            directory = remote_execution_pb2.Directory.FromString(self.read(message(found)))
            nodes = [*directory.files, *directory.directories]
            (found,) = [digest(node.digest) for node in nodes if node.name == name]
        return found

    def file(self, root: Digest, *path: str) -> bytes:
        """Return a file's content."""
        return self.read(message(self.node(root, *path)))

    def read(self, wanted: Any) -> bytes:
        request = remote_execution_pb2.BatchReadBlobsRequest(digests=[wanted])
        (answer,) = self._storage.BatchReadBlobs(request).responses
        assert answer.status.code == 0, answer
        return bytes(answer.data)


def digest(message: Any) -> Digest:
    return Digest(message.hash, message.size_bytes)


def message(wanted: Digest) -> Any:
    return remote_execution_pb2.Digest(hash=wanted.hash, size_bytes=wanted.size)


def staged_by_buildstream(lab: Lab, done: Finished) -> bool:
    """Return whether the worker's own storage has the sources: the shortcut leaves nothing there."""
    assert done.element_key is not None
    return any((lab.root / "state/engine").glob(f"lab/*/cache/elementsources/{done.element_key}"))
