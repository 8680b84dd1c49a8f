"""Put sources into a source cache as BuildStream's push does: blobs into each storage, then names into
each index. Doing it again changes nothing.
"""

import io
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import IO, Any

from hookfetch.cas.channel import TIMEOUT, Server, Servers
from hookfetch.cas.directories import Content, Digest, Directory, Kept, digest_of
from hookfetch.cas.leases import Leases
from hookfetch.cas.proof import SOURCE_URN, Published, message_of
from hookfetch.cas.protos import bytestream_pb2, remote_asset_pb2, remote_execution_pb2, source_pb2
from hookfetch.core.errors import Temporary

_ASKED = 10_000  # digests at once: under 1 MB of the usual 4 MB a message
_BATCH = 1024 * 1024  # bytes of content in one message, as BuildStream has it
_BATCH_BLOBS = 2_000  # as many: each has its digest and length besides
_LEASED = 100_000  # directories
_LARGE_TIMEOUT = 300.0  # seconds for one blob over a batch's size

ReadContent = Callable[[Content], bytes]


class Publisher:
    """Sends to all `servers`; usable from one thread.

    For `lease` seconds after a directory was published only the directory itself is asked for, not what is
    below it: of a large tree most is as it was.
    """

    def __init__(self, servers: Servers, lease: float = 0.0) -> None:
        self._servers = servers
        self._leases = Leases(lease, _LEASED)

    def distrust(self) -> None:
        """Take nothing as published any more: the servers lost something."""
        self._leases.end_all()

    def publish(
        self, element_key: str, root: Directory, sources: Mapping[str, Directory], read: ReadContent
    ) -> Published:
        """Have the cache hold an element's staged sources under `element_key`, and each source under its own
        key (`<kind>/<digest>`); return what was sent. `read` returns content; what is raised there is passed
        on.

        CacheAway when a server is not there, Temporary when one refuses or does not speak its protocol.
        """
        message = source_pb2.Source()
        message.files.hash, message.files.size_bytes = root.digest
        encoded = message.SerializeToString()
        staged = (root, *sources.values())
        sent = {
            storage.url: self._send(storage, {digest_of(encoded): encoded}, staged, read)
            for storage in self._servers.storages
        }
        for index in self._servers.indexes:
            _name(index, element_key, digest_of(encoded), root.digest, sources)
        return Published(digest_of(encoded), sent)

    def keep(
        self, contents: Mapping[Digest, Content], directories: Sequence[Directory], read: ReadContent
    ) -> None:
        """Have every storage hold `contents` and all of `directories`, under no name; raises as `publish`."""
        for storage in self._servers.storages:
            self._send(storage, contents, directories, read)

    def _send(
        self, storage: Server, more: Mapping[Digest, Content], staged: Sequence[Directory], read: ReadContent
    ) -> list[Digest]:
        def known(digest: Digest) -> bool:
            return self._leases.lasts((storage.url, digest))

        while True:
            contents = dict(more)
            for directory in staged:
                contents |= directory.contents(known)
            missing = _missing(storage, contents)
            if not any(map(known, missing)):
                break
            self.distrust()  # it was made anew, or expires sooner: ask for everything
        _upload(storage, missing, contents, read)
        for directory in {each for top in staged for each in top.below()}:
            self._leases.grant((storage.url, directory.digest))
        return missing


def _name(
    index: Server, element_key: str, message: Digest, root: Digest, sources: Mapping[str, Directory]
) -> None:
    # Names are put again even if the index has them: their old blobs may be gone.
    with index.asked() as ask:
        answers = [
            ask.push.PushDirectory.future(
                remote_asset_pb2.PushDirectoryRequest(
                    uris=[SOURCE_URN + key], root_directory_digest=message_of(directory.digest)
                ),
                timeout=TIMEOUT,
            )
            for key, directory in sources.items()
        ]
        # Beside them: what each name stands for is there, so it is true without the others.
        ask.push.PushBlob(
            remote_asset_pb2.PushBlobRequest(
                uris=[SOURCE_URN + element_key],
                blob_digest=message_of(message),
                references_directories=[message_of(root)],
            ),
            timeout=TIMEOUT,
        )
        for answer in answers:
            answer.result()


def _missing(storage: Server, wanted: Iterable[Digest]) -> list[Digest]:
    missing = []
    waiting = iter(wanted)
    while batch := list(islice(waiting, _ASKED)):
        request = remote_execution_pb2.FindMissingBlobsRequest(blob_digests=map(message_of, batch))
        with storage.asked() as ask:
            answer = ask.storage.FindMissingBlobs(request, timeout=TIMEOUT)
        missing += [Digest(each.hash, each.size_bytes) for each in answer.missing_blob_digests]
    return missing


def _upload(
    storage: Server, missing: Iterable[Digest], contents: Mapping[Digest, Content], read: ReadContent
) -> None:
    batch: list[tuple[Digest, bytes]] = []
    size = 0
    for digest in missing:
        content = contents[digest]
        if digest.size > _BATCH and isinstance(content, Kept):
            file = content.path.open("rb")  # of any size, and not as a whole
            file.seek(content.offset)
            _write(storage, digest, file)
            continue
        data = content if isinstance(content, bytes) else read(content)
        if digest.size > _BATCH:
            _write(storage, digest, io.BytesIO(data))
            continue
        if size + digest.size > _BATCH or len(batch) == _BATCH_BLOBS:
            _update(storage, batch)
            batch, size = [], 0
        batch.append((digest, data))
        size += digest.size
    if batch:
        _update(storage, batch)


def _update(storage: Server, batch: Iterable[tuple[Digest, bytes]]) -> None:
    request: Any = remote_execution_pb2.BatchUpdateBlobsRequest()
    for digest, data in batch:
        request.requests.add(digest=message_of(digest), data=data)
    with storage.asked() as ask:
        answers = ask.storage.BatchUpdateBlobs(request, timeout=TIMEOUT).responses
    for answer in answers:
        if answer.status.code:
            raise Temporary(f"source cache {storage.url}: {answer.digest.hash}: {answer.status.message}")


def _write(storage: Server, digest: Digest, file: IO[bytes]) -> None:
    with storage.asked() as ask:
        answer = ask.stream.Write(_pieces(digest, file), timeout=_LARGE_TIMEOUT)
    # A server that has the blob by now may stop reading early, and answers its whole size.
    if answer.committed_size != digest.size:
        raise Temporary(f"source cache {storage.url}: {digest.hash}: took {answer.committed_size} bytes")


def _pieces(digest: Digest, file: IO[bytes]) -> Iterator[Any]:
    name = f"uploads/{uuid.uuid4()}/blobs/{digest.hash}/{digest.size}"
    with file:
        for begin in range(0, digest.size, _BATCH):
            yield bytestream_pb2.WriteRequest(
                resource_name=name,
                write_offset=begin,
                data=file.read(min(_BATCH, digest.size - begin)),
                finish_write=begin + _BATCH >= digest.size,
            )
