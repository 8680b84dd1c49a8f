"""What is pushed through hookfetch: to every index, by those who may, and blobs into the storage."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.cas.proof import SOURCE_URN
from hookfetch.cas.protos import (
    bytestream_pb2,
    bytestream_pb2_grpc,
    remote_asset_pb2,
    remote_asset_pb2_grpc,
    remote_execution_pb2,
    remote_execution_pb2_grpc,
)
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.demo.cache import SourceCache
from hookfetch.originals.folder import Folder
from hookfetch.server.grpc.assets.service import AssetService
from hookfetch.server.grpc.caller_readers import OfCaller
from hookfetch.server.grpc.readers import AnyReader
from hookfetch.server.grpc.server import GrpcServer
from tests.server.grpc.access_lab import TOKENS, access_for, known
from tests.support.assets import digest_of

pytestmark = pytest.mark.engine

KEY = "a" * 64
LARGE = bytes(range(256)) * 4096 * 3  # 3 MB, in several messages


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceCache]:
    with SourceCache(tmp_path_factory.mktemp("cache")) as server:
        yield server


class Client:
    """Calls by callers who are known by their tokens."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.fetch: Any = remote_asset_pb2_grpc.FetchStub(channel)
        self.index: Any = remote_asset_pb2_grpc.PushStub(channel)
        self.storage: Any = remote_execution_pb2_grpc.ContentAddressableStorageStub(channel)
        self.stream: Any = bytestream_pb2_grpc.ByteStreamStub(channel)


@asynccontextmanager
async def gateway(folder: Path, **urls: Sequence[str]) -> AsyncIterator[Client]:
    """Give a client of a gateway for the projects that `urls` has caches of."""
    bus = MemoryBus(folder / "dead")
    await bus.start()
    caches = {
        project: tuple(SourceCacheConfig(url=url) for url in theirs) for project, theirs in urls.items()
    }
    access = access_for(
        known("gnome", ["fetch", "push"], ["gnome"]),
        known("sdk", ["fetch"], ["sdk"]),
        known("operator", ["fetch", "push"], ["gnome", "sdk"]),
    )
    service = AssetService(caches, 60.0, OfCaller(AnyReader(caches)), Folder(folder / "mirrors"))
    server = GrpcServer(bus, caches, "127.0.0.1:0", assets=service, access=access)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Client(channel)
    finally:
        await server.stop(0)
        await bus.close()


def shown(name: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {TOKENS[name]}")]


async def status(call: Any) -> str:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


def pushed(key: str, content: bytes, instance: str = "") -> Any:
    return remote_asset_pb2.PushBlobRequest(
        uris=[SOURCE_URN + key], blob_digest=digest_of(content), instance_name=instance
    )


async def _write(client: Client, content: bytes, prefix: str, name: str) -> int:
    digest = digest_of(content)
    resource = f"{prefix}uploads/8f1c2a8e-0000-4000-8000-000000000000/blobs/{digest.hash}/{digest.size_bytes}"
    step = 512 * 1024

    async def pieces() -> AsyncIterator[Any]:
        for begin in range(0, len(content), step):
            yield bytestream_pb2.WriteRequest(
                resource_name=resource,
                write_offset=begin,
                data=content[begin : begin + step],
                finish_write=begin + step >= len(content),
            )

    return int((await client.stream.Write(pieces(), metadata=shown(name))).committed_size)


async def test_blobs_and_names_reach_the_cache_with_and_without_an_instance_name(
    tmp_path: Path, cache: SourceCache
) -> None:
    async with gateway(tmp_path, gnome=[cache.url]) as client:
        for prefix in ("", "gnome/"):
            content = LARGE + prefix.encode()
            assert await _write(client, content, prefix, "gnome") == len(content)
            read = bytestream_pb2.ReadRequest(
                resource_name=f"{prefix}blobs/{digest_of(content).hash}/{len(content)}"
            )
            back = client.stream.Read(read, metadata=shown("gnome"))
            assert b"".join([answer.data async for answer in back]) == content
        for instance in ("", "gnome"):
            update = remote_execution_pb2.BatchUpdateBlobsRequest(instance_name=instance)
            update.requests.add(digest=digest_of(b"small"), data=b"small")
            answer = await client.storage.BatchUpdateBlobs(update, metadata=shown("gnome"))
            assert [each.status.code for each in answer.responses] == [0]
            assert (
                await status(client.index.PushBlob(pushed(KEY, b"small", instance), metadata=shown("gnome")))
                == "OK"
            )
        async with grpc.aio.insecure_channel(cache.url.removeprefix("http://")) as channel:
            request = remote_asset_pb2.FetchBlobRequest(uris=[SOURCE_URN + KEY])
            found = await Client(channel).fetch.FetchBlob(request)
        assert found.blob_digest == digest_of(b"small")


async def test_names_go_to_every_index_and_one_that_is_away_is_told_of(
    tmp_path: Path, cache: SourceCache
) -> None:
    with SourceCache(tmp_path / "second") as second:
        async with gateway(tmp_path, gnome=[cache.url, second.url]) as client:
            assert await status(client.index.PushBlob(pushed(KEY, b"there"), metadata=shown("gnome"))) == "OK"
            for url in (cache.url, second.url):
                async with grpc.aio.insecure_channel(url.removeprefix("http://")) as channel:
                    request = remote_asset_pb2.FetchBlobRequest(uris=[SOURCE_URN + KEY])
                    assert (await Client(channel).fetch.FetchBlob(request)).blob_digest == digest_of(b"there")
            second.stop()
            told = await status(client.index.PushBlob(pushed(KEY, b"there"), metadata=shown("gnome")))
            assert told == "UNAVAILABLE"


async def test_only_who_may_push_with_all_whose_cache_it_is_gives_names_a_meaning(
    tmp_path: Path, cache: SourceCache
) -> None:
    with SourceCache(tmp_path / "sdk") as other:
        async with gateway(tmp_path, gnome=[cache.url], sdk=[other.url]) as client:
            told = {
                (name, instance): await status(
                    client.index.PushBlob(
                        remote_asset_pb2.PushBlobRequest(instance_name=instance), metadata=shown(name)
                    )
                )
                for name in ("gnome", "sdk", "operator")
                for instance in ("", "gnome", "sdk")
            }
    # An index that is asked for nothing says INVALID_ARGUMENT, as hookfetch does where it is to guess.
    asked = "INVALID_ARGUMENT"
    assert told == {
        ("gnome", ""): asked,
        ("gnome", "gnome"): asked,
        ("gnome", "sdk"): "NOT_FOUND",
        ("sdk", ""): "PERMISSION_DENIED",
        ("sdk", "gnome"): "PERMISSION_DENIED",
        ("sdk", "sdk"): "PERMISSION_DENIED",
        ("operator", ""): asked,
        ("operator", "gnome"): asked,
        ("operator", "sdk"): asked,
    }
    async with gateway(tmp_path / "shared", gnome=[cache.url], sdk=[cache.url]) as client:
        for name, expected in (("gnome", "PERMISSION_DENIED"), ("operator", asked)):
            request = remote_asset_pb2.PushBlobRequest(instance_name="gnome")
            assert await status(client.index.PushBlob(request, metadata=shown(name))) == expected
