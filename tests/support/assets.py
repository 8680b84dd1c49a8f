"""Sources in a real source cache, put there and lost as a test wants them."""

import hashlib
from pathlib import Path
from typing import Any

import grpc

from hookfetch.cas.proof import SOURCE_URN
from hookfetch.cas.protos import (
    remote_asset_pb2,
    remote_asset_pb2_grpc,
    remote_execution_pb2,
    remote_execution_pb2_grpc,
    source_pb2,
)
from hookfetch.demo.cache import SourceCache


class Assets:
    """Puts blobs and names into the cache `server`, whose files are below `directory`."""

    def __init__(self, server: SourceCache, directory: Path) -> None:
        self._channel = grpc.insecure_channel(server.url.removeprefix("http://"))
        self._storage: Any = remote_execution_pb2_grpc.ContentAddressableStorageStub(self._channel)
        self._index: Any = remote_asset_pb2_grpc.PushStub(self._channel)
        self._directory = directory

    def blob(self, data: bytes) -> Any:
        """Store `data` and return its digest."""
        digest = digest_of(data)
        request = remote_execution_pb2.BatchUpdateBlobsRequest()
        request.requests.add(digest=digest, data=data)
        self._storage.BatchUpdateBlobs(request)
        return digest

    def element(self, key: str, content: bytes) -> tuple[Any, Any]:
        """Have `key` stand for one file of that content; return the digests of the message and the root."""
        directory = remote_execution_pb2.Directory()
        directory.files.add(name="a", digest=self.blob(content))
        root = self.blob(directory.SerializeToString())
        message = self.blob(source_pb2.Source(files=root).SerializeToString())
        self._index.PushBlob(
            remote_asset_pb2.PushBlobRequest(
                uris=[SOURCE_URN + key], blob_digest=message, references_directories=[root]
            )
        )
        return message, root

    def source(self, name: str, root: Any) -> None:
        """Have the name of a source stand for a directory."""
        self._index.PushDirectory(
            remote_asset_pb2.PushDirectoryRequest(uris=[SOURCE_URN + name], root_directory_digest=root)
        )

    def lose(self, digest: Any) -> None:
        """Take a blob out of the storage's folder."""
        (path,) = self._directory.rglob(f"objects/{digest.hash[:2]}/{digest.hash[2:]}")
        path.unlink()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def digest_of(data: bytes) -> Any:
    """Return the digest of `data` as the Remote Execution API has it."""
    return remote_execution_pb2.Digest(hash=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
