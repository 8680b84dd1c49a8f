"""A proof holds only for a tree that is all there."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from hookfetch.cas.channel import Servers
from hookfetch.cas.directories import Content, Directory, file_of
from hookfetch.cas.proof import SOURCE_URN, RemoteCache
from hookfetch.cas.protos import (
    remote_asset_pb2,
    remote_asset_pb2_grpc,
    remote_execution_pb2,
    remote_execution_pb2_grpc,
    source_pb2,
)
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import Temporary
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from tests.support.caches import cache_at, publisher_at

pytestmark = pytest.mark.engine


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SourceCache]:
    with SourceCache(tmp_path / "cache") as cache:
        yield cache


class Uploader:
    """Puts blobs and names into a cache, and takes blobs out of its folder again."""

    def __init__(self, server: SourceCache, directory: Path) -> None:
        channel = grpc.insecure_channel(server.url.removeprefix("http://"))
        self._storage: Any = remote_execution_pb2_grpc.ContentAddressableStorageStub(channel)
        self._index: Any = remote_asset_pb2_grpc.PushStub(channel)
        self._directory = directory

    def blob(self, data: bytes) -> Any:
        digest = remote_execution_pb2.Digest(hash=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        request = remote_execution_pb2.BatchUpdateBlobsRequest()
        request.requests.add(digest=digest, data=data)
        self._storage.BatchUpdateBlobs(request)
        return digest

    def tree(self, files: dict[str, bytes], directories: dict[str, Any] | None = None) -> Any:
        directory = remote_execution_pb2.Directory()
        for name, data in sorted(files.items()):
            directory.files.add(name=name, digest=self.blob(data))
        for name, digest in sorted((directories or {}).items()):
            directory.directories.add(name=name, digest=digest)
        return self.blob(directory.SerializeToString())

    def name(self, key: str, root: Any) -> Any:
        digest = self.blob(source_pb2.Source(files=root).SerializeToString())
        self._index.PushBlob(
            remote_asset_pb2.PushBlobRequest(
                uris=[SOURCE_URN + key], blob_digest=digest, references_directories=[root]
            )
        )
        return digest

    def lose(self, digest: Any) -> None:
        (path,) = self._directory.rglob(f"objects/{digest.hash[:2]}/{digest.hash[2:]}")
        path.unlink()


@pytest.fixture
def uploader(server: SourceCache, tmp_path: Path) -> Uploader:
    return Uploader(server, tmp_path / "cache")


def test_a_whole_tree_is_proved_and_a_missing_part_of_any_kind_is_seen(
    server: SourceCache, uploader: Uploader
) -> None:

    def upload() -> tuple[Any, ...]:
        leaf = uploader.tree({"c": b"deep"})
        twice = uploader.tree({}, {"x": leaf, "y": leaf})
        root = uploader.tree({"a": b"1", "empty": b""}, {"d": twice})
        return uploader.blob(b"deep"), leaf, twice, root, uploader.name("whole", root)

    with cache_at(server.url) as cache:
        for part in upload():
            assert cache.holds("whole")
            uploader.lose(part)
            assert not cache.holds("whole"), part
            upload()


def test_an_empty_tree_is_whole(server: SourceCache, uploader: Uploader) -> None:
    uploader.name("empty", uploader.tree({}))
    with cache_at(server.url) as cache:
        assert cache.holds("empty")


def test_an_unknown_key_is_not_held(server: SourceCache) -> None:
    with cache_at(server.url) as cache:
        assert not cache.holds("0" * 64)


def test_a_server_that_is_down_is_temporary_and_asked_again_at_once(
    server: SourceCache, uploader: Uploader
) -> None:
    uploader.name("key", uploader.tree({"a": b"1"}))
    with cache_at(server.url) as cache:
        server.stop()
        for _ in range(2):
            with pytest.raises(Temporary, match=server.url):
                cache.holds("key")
        server.start()
        assert cache.holds("key")


def test_a_server_of_another_protocol_is_temporary(tmp_path: Path) -> None:
    with (
        UpstreamServer(tmp_path) as other,
        cache_at(other.url) as cache,
        pytest.raises(Temporary, match=other.url),
    ):
        cache.holds("key")


def test_every_server_that_is_pushed_to_must_hold_it(server: SourceCache, tmp_path: Path) -> None:
    source = Directory({"a": file_of(b"a")}, {}, {})
    with SourceCache(tmp_path / "second") as second, cache_at(server.url, second.url) as both:
        with publisher_at(server.url) as publisher:
            publisher.publish("key", source, {}, nothing)
        assert not both.holds("key")
        with publisher_at(server.url, second.url) as publisher:
            publisher.publish("key", source, {}, nothing)
        assert both.holds("key")


def test_a_lease_does_not_outlast_an_emptied_or_forgetful_server(
    server: SourceCache, uploader: Uploader
) -> None:
    root = uploader.tree({"a": b"1"})
    message = uploader.name("key", root)
    with Servers([SourceCacheConfig(url=server.url)]) as servers:
        cache = RemoteCache(servers, lease=3600.0)
        assert cache.holds("key")
        uploader.lose(root)
        assert cache.holds("key")  # as it is remembered
        assert not cache.holds("key", walk=True)
        assert not cache.holds("key")
        uploader.name("key", uploader.tree({"a": b"1"}))
        assert cache.holds("key")
        uploader.lose(message)
        assert not cache.holds("key")


def nothing(content: Content) -> bytes:
    raise AssertionError(f"nothing is to be read: {content}")
