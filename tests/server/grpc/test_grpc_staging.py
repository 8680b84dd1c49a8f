from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hookfetch.client import Unavailable, WorkFailed
from hookfetch.core.digests import Digest
from hookfetch.core.events import FetchRequested, SourceRef, TrackRequested
from hookfetch.core.jobs import Reply
from hookfetch.v1 import sources_pb2, sources_pb2_grpc
from tests.server.grpc.gateway_lab import coordinate, gateway

SOURCE = SourceRef(index=0, kind="git", url="https://up.example/r", ref="new")
ROOT = Digest("e" * 64, 100)


def answer(event: TrackRequested | FetchRequested) -> Reply:
    """Decide as a coordinator might, by the element's name."""
    assert isinstance(event, FetchRequested)  # what is staged is what is fetched
    if event.element == "bad.bst":
        return Reply(
            request_id=event.id, outcome="failed", element=event.element, reason="git: no such commit"
        )
    return Reply(
        request_id=event.id,
        outcome="fetched",
        element=event.element,
        refs=(SOURCE,),
        cached=event.element != "uncached.bst",
        element_key="key",
        source_keys=("git/a",),
        element_directory=None if event.element in ("uncached.bst", "lost.bst") else ROOT,
        source_directories=(None,),
    )


async def test_the_directory_that_is_cached_for_an_element_is_where_its_sources_are_staged(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path) as lab:
        await coordinate(lab.bus, "gnome", answer)
        staged = await lab.client.stage("gnome", "it.bst", timeout=10)
        assert staged.directory == staged.fetched.element_directory == ROOT
        (source,) = staged.fetched.sources
        assert (source.source, source.key, source.directory) == (SOURCE, "git/a", None)


async def test_without_a_source_cache_nothing_is_staged(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        await coordinate(lab.bus, "gnome", answer)
        with pytest.raises(WorkFailed, match="no source cache"):
            await lab.client.stage("gnome", "uncached.bst", timeout=10)


async def test_what_the_cache_lost_meanwhile_may_be_asked_for_again(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        await coordinate(lab.bus, "gnome", answer)
        with pytest.raises(Unavailable, match="lost"):
            await lab.client.stage("gnome", "lost.bst", timeout=10)


async def test_a_failure_is_told_as_one_of_staging(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab, grpc.aio.insecure_channel(lab.target) as channel:
        await coordinate(lab.bus, "gnome", answer)
        stub = sources_pb2_grpc.SourceServiceStub(channel)
        call = stub.Stage(sources_pb2.StageRequest(project="gnome", element="bad.bst"), timeout=10)
        with pytest.raises(grpc.aio.AioRpcError, match="no such commit") as caught:
            await anext(aiter(call))
        status = rpc_status.from_call(caught.value)
        assert status is not None
        detail = error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(detail)
        assert detail.reason == "STAGE_FAILED"
