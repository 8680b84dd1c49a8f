"""The source cache of a project, for those alone who may fetch with it: keys, instances, blobs."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.cas.proof import SOURCE_URN
from hookfetch.cas.protos import (
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
from tests.support.assets import Assets

pytestmark = pytest.mark.engine

KEY = "a" * 64


async def _status(call: Any) -> str:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def test_a_key_is_found_with_a_grant_for_its_project_alone(tmp_path: Path) -> None:
    private, other = tmp_path / "private", tmp_path / "other"
    private.mkdir()
    other.mkdir()
    with SourceCache(private) as cache, SourceCache(other) as empty:
        assets = Assets(cache, private)
        message, _ = assets.element(KEY, b"secret\n")
        assets.close()
        caches = {
            "gnome": [SourceCacheConfig(url=cache.url)],
            "sdk": [SourceCacheConfig(url=empty.url)],
        }
        bus = MemoryBus(tmp_path / "dead")
        await bus.start()
        access = access_for(
            known("gnome", ["fetch"], ["gnome"]),
            known("sdk", ["fetch"], ["sdk"]),
            known("lost", ["read"], ["gnome"]),
        )
        service = AssetService(caches, 60.0, OfCaller(AnyReader(caches)), Folder(tmp_path / "mirrors"))
        server = GrpcServer(bus, caches, "127.0.0.1:0", assets=service, access=access)
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                fetch: Any = remote_asset_pb2_grpc.FetchStub(channel)
                for instance in ("", "gnome"):
                    request = remote_asset_pb2.FetchBlobRequest(
                        uris=[SOURCE_URN + KEY], instance_name=instance
                    )
                    found = await fetch.FetchBlob(request, metadata=_shown("gnome"))
                    assert found.blob_digest == message
                    assert await _status(fetch.FetchBlob(request, metadata=_shown("sdk"))) == "NOT_FOUND"
                    denied = await _status(fetch.FetchBlob(request, metadata=_shown("lost")))
                    assert denied == "PERMISSION_DENIED"
                    assert await _status(fetch.FetchBlob(request)) == "UNAUTHENTICATED"
                push: Any = remote_asset_pb2_grpc.PushStub(channel)
                pushed = push.PushBlob(remote_asset_pb2.PushBlobRequest(), metadata=_shown("gnome"))
                assert await _status(pushed) == "PERMISSION_DENIED"
        finally:
            await server.stop(0)
            await bus.close()


async def test_a_storage_passes_through_for_an_instance_of_the_caller_s(tmp_path: Path) -> None:
    with SourceCache(tmp_path) as cache:
        assets = Assets(cache, tmp_path)
        digest = assets.blob(b"secret\n")
        assets.close()
        caches = {name: [SourceCacheConfig(url=cache.url)] for name in ("gnome", "sdk")}
        bus = MemoryBus(tmp_path / "dead")
        await bus.start()
        access = access_for(known("gnome", ["fetch"], ["gnome"]), known("lost", ["read"], ["gnome"]))
        service = AssetService(caches, 60.0, OfCaller(AnyReader(caches)), Folder(tmp_path / "mirrors"))
        server = GrpcServer(bus, caches, "127.0.0.1:0", assets=service, access=access)
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                storage: Any = remote_execution_pb2_grpc.ContentAddressableStorageStub(channel)
                told = {}
                for instance in ("", "gnome", "sdk", "nix"):
                    request = remote_execution_pb2.BatchReadBlobsRequest(
                        digests=[digest], instance_name=instance
                    )
                    told[instance] = await _status(storage.BatchReadBlobs(request, metadata=_shown("gnome")))
                    assert await _status(storage.BatchReadBlobs(request)) == "UNAUTHENTICATED"
                    assert (
                        await _status(storage.BatchReadBlobs(request, metadata=_shown("lost")))
                        == "PERMISSION_DENIED"
                    )
                assert told == {"": "OK", "gnome": "OK", "sdk": "NOT_FOUND", "nix": "NOT_FOUND"}
                write = remote_execution_pb2.BatchUpdateBlobsRequest()
                refused = await _status(storage.BatchUpdateBlobs(write, metadata=_shown("gnome")))
                assert refused == "PERMISSION_DENIED"
        finally:
            await server.stop(0)
            await bus.close()


def _shown(name: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {TOKENS[name]}")]
