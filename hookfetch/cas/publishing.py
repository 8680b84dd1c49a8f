"""Put sources into a remote source cache as BuildStream's push does: blobs first, then their names.

Nothing is kept between calls but the connection; doing it again changes nothing.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import TracebackType
from typing import Any, Self

import grpc

from hookfetch.cas.channel import TIMEOUT, open_channel, text_of
from hookfetch.cas.directories import Content, Digest, Directory, digest_of
from hookfetch.cas.proof import SOURCE_URN
from hookfetch.cas.protos import (
    bytestream_pb2,
    bytestream_pb2_grpc,
    remote_asset_pb2,
    remote_asset_pb2_grpc,
    remote_execution_pb2,
    remote_execution_pb2_grpc,
    source_pb2,
)
from hookfetch.core.errors import Temporary

_ASKED = 10_000  # digests at once: under 1 MB of the usual 4 MB a message
_BATCH = 1024 * 1024  # bytes of content in one message, as BuildStream has it
_BATCH_BLOBS = 2_000  # as many: each has its digest and length besides
_LARGE_TIMEOUT = 300.0  # seconds for one blob over a batch's size

ReadContent = Callable[[Content], bytes]


class Publisher:
    """A server with index and storage at `url` (http or https); usable from one thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connect()

    def _connect(self) -> None:
        self._channel = open_channel(self._url)
        self._storage: Any = remote_execution_pb2_grpc.ContentAddressableStorageStub(self._channel)
        self._stream: Any = bytestream_pb2_grpc.ByteStreamStub(self._channel)
        self._index: Any = remote_asset_pb2_grpc.PushStub(self._channel)

    def publish(
        self, element_key: str, root: Directory, sources: Mapping[str, Directory], read: ReadContent
    ) -> None:
        """Have the cache hold an element's staged sources under `element_key`, and each source under its own
        key (`<kind>/<digest>`). `read` returns content; what is raised there is passed on.

        Temporary when the server does not answer, or not in its protocol.
        """
        try:
            self._publish(element_key, root, sources, read)
        except grpc.RpcError as error:
            # A channel that failed waits before it tries again; a new one asks at once.
            self._channel.close()
            self._connect()
            raise Temporary(f"source cache {self._url}: {text_of(error)}") from error

    def _publish(
        self, element_key: str, root: Directory, sources: Mapping[str, Directory], read: ReadContent
    ) -> None:
        message = source_pb2.Source()
        message.files.hash, message.files.size_bytes = root.digest
        encoded = message.SerializeToString()
        contents: dict[Digest, Content] = {digest_of(encoded): encoded}
        for directory in (root, *sources.values()):
            contents |= directory.contents()
        self._upload(self._missing(contents), contents, read)
        # Names are put again even if the index has them: their old blobs may be gone.
        answers = [
            self._index.PushDirectory.future(
                remote_asset_pb2.PushDirectoryRequest(
                    uris=[SOURCE_URN + key], root_directory_digest=_message(directory.digest)
                ),
                timeout=TIMEOUT,
            )
            for key, directory in sources.items()
        ]
        for answer in answers:
            answer.result()
        self._index.PushBlob(
            remote_asset_pb2.PushBlobRequest(
                uris=[SOURCE_URN + element_key],
                blob_digest=_message(digest_of(encoded)),
                references_directories=[_message(root.digest)],
            ),
            timeout=TIMEOUT,
        )

    def _missing(self, wanted: Iterable[Digest]) -> list[Digest]:
        missing = []
        waiting = iter(wanted)
        while batch := list(islice(waiting, _ASKED)):
            request = remote_execution_pb2.FindMissingBlobsRequest(blob_digests=map(_message, batch))
            answer = self._storage.FindMissingBlobs(request, timeout=TIMEOUT)
            missing += [Digest(each.hash, each.size_bytes) for each in answer.missing_blob_digests]
        return missing

    def _upload(
        self, missing: Iterable[Digest], contents: Mapping[Digest, Content], read: ReadContent
    ) -> None:
        batch: list[tuple[Digest, bytes]] = []
        size = 0
        for digest in missing:
            content = contents[digest]
            data = content if isinstance(content, bytes) else read(content)
            if digest.size > _BATCH:
                self._write(digest, data)
                continue
            if size + digest.size > _BATCH or len(batch) == _BATCH_BLOBS:
                self._update(batch)
                batch, size = [], 0
            batch.append((digest, data))
            size += digest.size
        if batch:
            self._update(batch)

    def _update(self, batch: Iterable[tuple[Digest, bytes]]) -> None:
        request: Any = remote_execution_pb2.BatchUpdateBlobsRequest()
        for digest, data in batch:
            request.requests.add(digest=_message(digest), data=data)
        for answer in self._storage.BatchUpdateBlobs(request, timeout=TIMEOUT).responses:
            if answer.status.code:
                raise Temporary(f"source cache {self._url}: {answer.digest.hash}: {answer.status.message}")

    def _write(self, digest: Digest, data: bytes) -> None:
        answer = self._stream.Write(_pieces(digest, data), timeout=_LARGE_TIMEOUT)
        # A server that has the blob by now may stop reading early, and answers its whole size.
        if answer.committed_size != digest.size:
            raise Temporary(f"source cache {self._url}: {digest.hash}: took {answer.committed_size} bytes")

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pieces(digest: Digest, data: bytes) -> Iterator[Any]:
    name = f"uploads/{uuid.uuid4()}/blobs/{digest.hash}/{digest.size}"
    for begin in range(0, len(data), _BATCH):
        yield bytestream_pb2.WriteRequest(
            resource_name=name,
            write_offset=begin,
            data=data[begin : begin + _BATCH],
            finish_write=begin + _BATCH >= len(data),
        )


def _message(digest: Digest) -> Any:
    return remote_execution_pb2.Digest(hash=digest.hash, size_bytes=digest.size)
