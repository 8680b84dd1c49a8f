"""The Remote Asset service over real caches: what it answers, and that what goes wrong is no error."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.cas.lookup import Lookup
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
from hookfetch.core.asset_requests import SourcesRequested
from hookfetch.core.codec import dump_answer, dump_reply, load_event, load_question
from hookfetch.core.jobs import Reply
from hookfetch.core.ports import Message
from hookfetch.core.recipe_questions import RecipeAsked, RecipeTold
from hookfetch.demo.cache import SourceCache
from hookfetch.originals.folder import Folder
from hookfetch.server.grpc.assets.service import AssetService
from hookfetch.server.grpc.readers import AnyReader
from hookfetch.server.grpc.server import GrpcServer
from tests.support.assets import Assets, digest_of

pytestmark = pytest.mark.engine

KEY, OTHER, GONE = "a" * 64, "b" * 64, "c" * 64


class Gateway:
    """A gateway over `caches`, and stand-ins for its projects' coordinators."""

    def __init__(self, bus: MemoryBus, channel: grpc.aio.Channel) -> None:
        self.bus = bus
        self.fetch: Any = remote_asset_pb2_grpc.FetchStub(channel)
        self.push: Any = remote_asset_pb2_grpc.PushStub(channel)
        self.storage: Any = remote_execution_pb2_grpc.ContentAddressableStorageStub(channel)
        self.stream: Any = bytestream_pb2_grpc.ByteStreamStub(channel)
        self.requests: list[SourcesRequested] = []
        self.asked = 0

    async def blob(self, key: str, instance: str = "", **more: Any) -> Any:
        request = remote_asset_pb2.FetchBlobRequest(uris=[SOURCE_URN + key], instance_name=instance, **more)
        return (await self.fetch.FetchBlob(request)).blob_digest

    async def coordinate(
        self, project: str, known: set[str], make: Callable[[SourcesRequested], Reply | None]
    ) -> None:
        """Answer for a project that has recipes for `known`; a job whose reply is None goes on no more."""

        async def on_question(message: Message) -> None:
            question = load_question(message.body)
            if isinstance(question, RecipeAsked) and project in question.projects:
                self.asked += 1
                told = RecipeTold(project=project, epoch=1, known=question.key in known)
                await self.bus.publish_reply(
                    question.reply_to, Message(id=question.id, body=dump_answer(told))
                )

        async def on_event(message: Message) -> None:
            event = load_event(message.body)
            if isinstance(event, SourcesRequested):
                self.requests.append(event)
                reply = await asyncio.to_thread(make, event)
                if reply is not None and event.reply_to is not None:
                    await self.bus.publish_reply(event.reply_to, Message(id=event.id, body=dump_reply(reply)))

        async def on_active() -> None: ...

        await self.bus.answer(on_question)
        await self.bus.coordinate(project, on_event, on_active)


def fetched(event: SourcesRequested) -> Reply:
    return Reply(request_id=event.id, outcome="fetched", element="a.bst", cached=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cache(folder: Path) -> Iterator[SourceCache]:
    with SourceCache(folder) as server:
        yield server


@pytest.fixture(scope="module")
def assets(cache: SourceCache, folder: Path) -> Iterator[Assets]:
    made = Assets(cache, folder)
    yield made
    made.close()


@asynccontextmanager
async def gateway(folder: Path, **urls: str) -> AsyncIterator[Gateway]:
    """Give a gateway for the projects that `urls` has caches of."""
    bus = MemoryBus(folder / "dead")
    await bus.start()
    caches = {project: (SourceCacheConfig(url=url),) for project, url in urls.items()}
    service = AssetService(caches, 3600.0, AnyReader(caches), Folder(folder / "mirrors"))
    server = GrpcServer(bus, caches, "127.0.0.1:0", assets=service)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Gateway(bus, channel)
    finally:
        await server.stop(0)
        await bus.close()


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "neither cached nor known here")


async def test_it_says_what_it_is_when_it_is_asked_for_nothing_and_what_it_cannot_heed(
    tmp_path: Path, cache: SourceCache
) -> None:
    async with gateway(tmp_path, p=cache.url) as here:
        code, _ = await refused(here.fetch.FetchBlob(remote_asset_pb2.FetchBlobRequest()))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        code, _ = await refused(here.fetch.FetchDirectory(remote_asset_pb2.FetchDirectoryRequest()))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        code, text = await refused(
            here.blob(KEY, qualifiers=[remote_asset_pb2.Qualifier(name="vcs.branch", value="main")])
        )
        assert (code, text.partition(":")[0]) == (grpc.StatusCode.INVALID_ARGUMENT, "qualifiers.name")
        many = remote_asset_pb2.FetchBlobRequest(uris=[f"{SOURCE_URN}{KEY}"] * 17)
        assert (await refused(here.fetch.FetchBlob(many)))[0] is grpc.StatusCode.INVALID_ARGUMENT
        outside = remote_asset_pb2.FetchBlobRequest(uris=[f"{SOURCE_URN}{KEY}"])
        outside.oldest_content_accepted.seconds = 2**62
        code, text = await refused(here.fetch.FetchBlob(outside))
        assert (code, text.partition(":")[0]) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "oldest_content_accepted",
        )
        # What the index says, as BuildStream asks it whether one may push.
        for call in (
            here.push.PushBlob(remote_asset_pb2.PushBlobRequest()),
            here.push.PushDirectory(remote_asset_pb2.PushDirectoryRequest()),
        ):
            assert (await refused(call))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_hit_costs_no_question_and_what_nobody_knows_is_not_found_at_once(
    tmp_path: Path, cache: SourceCache, assets: Assets
) -> None:
    message, root = assets.element(KEY, b"hit")
    assets.source(f"git/{KEY}", root)
    async with gateway(tmp_path, p=cache.url) as here:
        await here.coordinate("p", set(), fetched)
        assert await here.blob(KEY) == message
        request = remote_asset_pb2.FetchDirectoryRequest(
            uris=["https://example.org/a", f"{SOURCE_URN}git/{KEY}"]
        )
        answer = await here.fetch.FetchDirectory(request)
        assert (answer.uri, answer.root_directory_digest) == (request.uris[1], root)
        assert here.asked == 0
        began = asyncio.get_running_loop().time()
        assert await refused(here.blob(GONE)) == NOT_FOUND
        assert asyncio.get_running_loop().time() - began < 1.0
        assert (here.asked, here.requests) == (1, [])
        for uri in (
            "",
            "x",
            SOURCE_URN,
            f"{SOURCE_URN}../x",
            f"{SOURCE_URN}git/{KEY}",
            "https://example.org",
        ):
            assert (
                await refused(here.fetch.FetchBlob(remote_asset_pb2.FetchBlobRequest(uris=[uri])))
                == NOT_FOUND
            )


async def test_what_was_found_is_told_again_unasked_until_a_storage_has_lost_it(
    tmp_path: Path, cache: SourceCache, assets: Assets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookfetch.server.grpc.assets.remembered.SECONDS", 2.0)
    monkeypatch.setattr("hookfetch.server.grpc.assets.remembered._EACH_SECONDS", 0.1)
    looked = []
    look = Lookup.element
    monkeypatch.setattr(Lookup, "element", lambda self, key: looked.append(key) or look(self, key))
    key = "d" * 64
    message, _ = assets.element(key, b"told again")
    clock = asyncio.get_running_loop().time
    async with gateway(tmp_path, p=cache.url) as here:
        await here.coordinate("p", set(), fetched)
        began = clock()
        while clock() < began + 3.0:  # longer than it counts
            assert await here.blob(key) == message
            await asyncio.sleep(0.05)
        assert looked == [key]
        assets.lose(message)
        async with asyncio.timeout(10):
            while (found := await asyncio.gather(here.blob(key), return_exceptions=True)) == [message]:
                await asyncio.sleep(0.05)
        assert isinstance(found[0], grpc.aio.AioRpcError)
        assert found[0].code() is grpc.StatusCode.NOT_FOUND


async def test_a_hole_in_a_tree_is_mended_for_all_who_ask_before_they_are_told_of_it(
    tmp_path: Path, cache: SourceCache, assets: Assets
) -> None:
    message, _ = assets.element(OTHER, b"holed")
    assets.lose(digest_of(b"holed"))

    def mend(event: SourcesRequested) -> Reply:
        assets.blob(b"holed")
        return fetched(event)

    async with gateway(tmp_path, p=cache.url) as here:
        await here.coordinate("p", {OTHER}, mend)
        assert await asyncio.gather(*(here.blob(OTHER) for _ in range(20))) == [message] * 20
        assert [event.key for event in here.requests] == [OTHER]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(fetched, id="which says that it is there although it is not"),
        pytest.param(
            lambda event: Reply(request_id=event.id, outcome="failed", element="a.bst", reason="no"),
            id="which fails",
        ),
        pytest.param(
            lambda event: Reply(request_id=event.id, outcome="unavailable", element="a.bst"),
            id="whose cache is away",
        ),
    ],
)
async def test_a_job_that_brings_nothing_is_not_found(
    tmp_path: Path, cache: SourceCache, make: Callable[[SourcesRequested], Reply]
) -> None:
    async with gateway(tmp_path, p=cache.url) as here:
        await here.coordinate("p", {GONE}, make)
        assert await refused(here.blob(GONE)) == NOT_FOUND
        assert len(here.requests) == 1


async def test_a_coordinator_that_is_not_there_is_waited_for_once_and_then_not_for_a_while(
    tmp_path: Path, cache: SourceCache
) -> None:
    async with gateway(tmp_path, p=cache.url) as here:
        clock = asyncio.get_running_loop().time
        for least, most in ((1.9, 3.0), (0.0, 0.5)):
            began = clock()
            assert await refused(here.blob(GONE)) == NOT_FOUND
            assert least <= clock() - began < most


async def test_a_cache_that_is_away_is_not_found_and_nobody_is_asked(tmp_path: Path) -> None:
    async with gateway(tmp_path, p="http://127.0.0.1:1") as here:
        await here.coordinate("p", {KEY}, fetched)
        assert await refused(here.blob(KEY)) == NOT_FOUND
        assert here.asked == 0


async def test_a_cache_that_hangs_is_waited_for_by_one_and_is_asked_again_a_while_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookfetch.cas.proof.TIMEOUT", 0.5)
    monkeypatch.setattr("hookfetch.server.grpc.assets.lookups.AWAY_SECONDS", 1.0)
    clock = asyncio.get_running_loop().time
    with SourceCache(tmp_path / "hanging") as hanging:
        message, _ = (mine := Assets(hanging, tmp_path / "hanging")).element(KEY, b"hit")
        mine.close()
        async with gateway(tmp_path, p=hanging.url) as here:
            os.kill(hanging.pid, signal.SIGSTOP)
            began = clock()
            assert await refused(here.blob(KEY)) == NOT_FOUND
            assert clock() - began > 0.4
            began = clock()
            for _ in range(20):
                assert await refused(here.blob(KEY)) == NOT_FOUND
            assert clock() - began < 0.4
            os.kill(hanging.pid, signal.SIGCONT)
            async with asyncio.timeout(10):
                while (found := await asyncio.gather(here.blob(KEY), return_exceptions=True)) != [message]:
                    assert isinstance(found[0], grpc.aio.AioRpcError)
                    await asyncio.sleep(0.1)


async def test_a_client_that_sets_a_time_gets_its_answer_in_it(tmp_path: Path, cache: SourceCache) -> None:
    async with gateway(tmp_path, p=cache.url) as here:
        request = remote_asset_pb2.FetchBlobRequest(uris=[SOURCE_URN + GONE])
        request.timeout.FromMilliseconds(100)
        assert await refused(here.fetch.FetchBlob(request)) == NOT_FOUND


async def test_an_instance_name_chooses_the_project_and_no_other_ones_cache_is_looked_at(
    tmp_path: Path, cache: SourceCache, assets: Assets
) -> None:
    message, _ = assets.element(KEY, b"hit")
    with SourceCache(tmp_path / "other") as other:
        async with gateway(tmp_path, **{"p@main": cache.url, "q": other.url}) as here:
            await here.coordinate("q", set(), fetched)
            assert [await here.blob(KEY, name) for name in ("", "p", "p@main")] == [message] * 3
            for name in ("q", "p@other", "unknown"):
                assert await refused(here.blob(KEY, name)) == NOT_FOUND


async def test_of_a_shared_cache_each_project_is_told_of_what_it_knows_itself(
    tmp_path: Path, cache: SourceCache, assets: Assets
) -> None:
    message, _ = assets.element(KEY, b"hit")
    async with gateway(tmp_path, p=cache.url, q=cache.url) as here:
        await here.coordinate("p", {KEY}, fetched)
        await here.coordinate("q", set(), fetched)
        assert await here.blob(KEY) == message
        assert here.asked == 0
        assert await here.blob(KEY, "p") == message
        assert await refused(here.blob(KEY, "q")) == NOT_FOUND
        assert here.requests == []


async def test_blobs_pass_through_whole_with_and_without_an_instance_name(
    tmp_path: Path, cache: SourceCache, assets: Assets
) -> None:
    large = bytes(range(256)) * 4096 * 3  # 3 MB, in several messages
    digest = assets.blob(large)
    async with gateway(tmp_path, p=cache.url) as here:
        for prefix in ("", "p/"):
            read = bytestream_pb2.ReadRequest(
                resource_name=f"{prefix}blobs/{digest.hash}/{digest.size_bytes}", read_offset=5
            )
            assert b"".join([answer.data async for answer in here.stream.Read(read)]) == large[5:]
        for instance in ("", "p"):
            request = remote_execution_pb2.FindMissingBlobsRequest(
                instance_name=instance, blob_digests=[digest, digest_of(b"nowhere")]
            )
            missing = (await here.storage.FindMissingBlobs(request)).missing_blob_digests
            assert [each.hash for each in missing] == [digest_of(b"nowhere").hash]
        request.instance_name = "q"
        assert (await refused(here.storage.FindMissingBlobs(request)))[0] is grpc.StatusCode.NOT_FOUND
        nowhere = bytestream_pb2.ReadRequest(resource_name=f"blobs/{'0' * 64}/7")
        assert (await refused(anext(aiter(here.stream.Read(nowhere)))))[0] is grpc.StatusCode.NOT_FOUND
