import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message as Detail
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hookfetch.client import (
    Digest,
    Fetched,
    FetchedSource,
    InvalidRequest,
    NotFound,
    TimedOut,
    Tracked,
    Unavailable,
    Unexpected,
    WorkFailed,
)
from hookfetch.core.events import FetchRequested, SourceRef, TrackRequested
from hookfetch.core.jobs import Reply
from hookfetch.server.grpc.requests import Requests
from hookfetch.v1 import sources_pb2, sources_pb2_grpc
from tests.server.grpc.gateway_lab import coordinate, entry, gateway, until

REFS = (
    SourceRef(index=0, kind="git_repo", url="https://up.example/r", ref="new"),
    SourceRef(index=1, kind="cargo2", url=None, ref=[{"name": "serde", "version": "1"}]),
    SourceRef(index=2, kind="local", url=None, ref=None),
)


def answer(event: TrackRequested | FetchRequested) -> Reply | None:
    """Decide as a coordinator might, by the element's name."""
    if event.element == "silent.bst":
        return None
    if event.element == "none.bst":
        return Reply(request_id=event.id, outcome="unknown_element", element=event.element)
    if event.element == "bad.bst":
        reason = "git_repo: no such branch"
        return Reply(request_id=event.id, outcome="failed", element=event.element, reason=reason)
    if event.element == "away.bst":
        return Reply(
            request_id=event.id,
            outcome="unavailable",
            element=event.element,
            reason="source cache http://c: gone",
            retry_after=8.0,
        )
    if event.element == "swapped.bst":
        outcome = "fetched" if isinstance(event, TrackRequested) else "tracked"
    else:
        outcome = "tracked" if isinstance(event, TrackRequested) else "fetched"
    return Reply(
        request_id=event.id,
        outcome=outcome,  # type: ignore[arg-type]  # the checker does not narrow the two words
        element=event.element,
        refs=REFS,
        changes=entry(1, ref="new").changes,
        cached=True,
        element_key="key",
        source_keys=("a", "b", "c"),
        element_directory=Digest("e" * 64, 100),
        source_directories=(Digest("a" * 64, 40), Digest("b" * 64, 50)),
    )


async def test_track_and_fetch_return_what_the_coordinator_answers(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        await coordinate(lab.bus, "gnome", answer)
        tracked = await lab.client.track("gnome", "core/glib.bst", timeout=10)
        assert tracked == Tracked(changes=entry(1, ref="new").changes, refs=REFS)
        fetched = await lab.client.fetch("gnome", "core/glib.bst", timeout=10)
        assert fetched == Fetched(
            cached=True,
            element_key="key",
            element_directory=Digest("e" * 64, 100),
            sources=(
                FetchedSource(source=REFS[0], key="a", directory=Digest("a" * 64, 40)),
                FetchedSource(source=REFS[1], key="b", directory=Digest("b" * 64, 50)),
                FetchedSource(source=REFS[2], key="c"),  # whose directory nobody told
            ),
        )


async def test_requests_at_once_each_get_their_own_answer(tmp_path: Path) -> None:
    def own(event: TrackRequested | FetchRequested) -> Reply:
        refs = (SourceRef(index=0, kind="git", url=None, ref=event.element),)
        return Reply(request_id=event.id, outcome="tracked", element=event.element, refs=refs)

    async with gateway(tmp_path) as lab:
        await coordinate(lab.bus, "gnome", own)
        names = [f"e{number}.bst" for number in range(50)]
        results = await asyncio.gather(*(lab.client.track("gnome", name, timeout=20) for name in names))
        assert [result.refs[0].ref for result in results] == names


async def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        await coordinate(lab.bus, "gnome", answer)
        with pytest.raises(NotFound, match=r"none\.bst"):
            await lab.client.track("gnome", "none.bst", timeout=10)
        with pytest.raises(NotFound, match="elsewhere"):
            await lab.client.fetch("elsewhere", "core/glib.bst", timeout=10)


async def test_a_refusal_by_buildstream_is_given_with_its_reason(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        await coordinate(lab.bus, "gnome", answer)
        for call in (lab.client.track, lab.client.fetch):
            with pytest.raises(WorkFailed, match="no such branch"):
                await call("gnome", "bad.bst", timeout=10)


async def test_an_answer_to_another_question_is_an_error_of_the_server(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        await coordinate(lab.bus, "gnome", answer)
        for call in (lab.client.track, lab.client.fetch):
            with pytest.raises(Unexpected, match="INTERNAL"):
                await call("gnome", "swapped.bst", timeout=10)


async def test_empty_fields_are_named(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        with pytest.raises(InvalidRequest, match="project"):
            await lab.client.track("", "core/glib.bst", timeout=10)
        with pytest.raises(InvalidRequest, match="element"):
            await lab.client.fetch("gnome", "", timeout=10)


async def test_an_element_that_no_project_has_is_refused_by_the_name_of_its_field(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab, grpc.aio.insecure_channel(lab.target) as channel:
        stub = sources_pb2_grpc.SourceServiceStub(channel)
        supplied = sources_pb2.SuppliedElement(text="kind: import")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Track(sources_pb2.TrackRequest(project="gnome", supplied=supplied), timeout=10)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "supplied" in (caught.value.details() or "")


async def test_without_a_coordinator_the_call_is_unavailable(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        with pytest.raises(Unavailable):
            await lab.client.track("gnome", "core/glib.bst", timeout=10)


async def test_a_coordinator_that_never_answers_is_unavailable_in_bounded_time(tmp_path: Path) -> None:
    async with gateway(tmp_path, answer_seconds=0.2) as lab:
        await coordinate(lab.bus, "gnome", answer)
        with pytest.raises(Unavailable, match=r"within 0\.2 s"):
            await lab.client.track("gnome", "silent.bst", timeout=10)


async def test_a_deadline_and_a_cancellation_leave_nothing_waiting(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        await coordinate(lab.bus, "gnome", answer)
        requests = lab.server._requests  # noqa: SLF001  nothing outside shows it
        with pytest.raises(TimedOut):
            await lab.client.track("gnome", "silent.bst", timeout=0.2)
        await until(lambda: requests.pending == 0)
        task = asyncio.create_task(lab.client.fetch("gnome", "silent.bst", timeout=30))
        await until(lambda: requests.pending == 1)
        task.cancel()
        await until(lambda: requests.pending == 0)


async def test_one_request_too_many_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "hookfetch.server.grpc.server.Requests",
        lambda bus, answer_seconds: Requests(bus, limit=2, answer_seconds=answer_seconds),
    )
    async with gateway(tmp_path) as lab:
        await coordinate(lab.bus, "gnome", answer)
        requests = lab.server._requests  # noqa: SLF001  nothing outside shows it
        waiting = [asyncio.create_task(lab.client.track("gnome", "silent.bst")) for _ in range(2)]
        await until(lambda: requests.pending == 2)
        with pytest.raises(Unavailable, match="2 requests wait"):
            await lab.client.track("gnome", "core/glib.bst", timeout=10)
        for task in waiting:
            task.cancel()
        await until(lambda: requests.pending == 0)
        assert (await lab.client.track("gnome", "core/glib.bst", timeout=10)).refs == REFS


async def test_who_waits_when_the_gateway_stops_is_told(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        await coordinate(lab.bus, "gnome", answer)
        waiting = asyncio.create_task(lab.client.track("gnome", "silent.bst"))
        await until(lambda: lab.server._requests.pending == 1)  # noqa: SLF001  nothing outside shows it
        await lab.server.stop(0.1)
        with pytest.raises(Unavailable):
            await waiting


RICH: list[tuple[str, str, grpc.StatusCode, type[Detail], Callable[[object], bool]]] = [
    ("", "x", grpc.StatusCode.INVALID_ARGUMENT, error_details_pb2.BadRequest,
     lambda it: it.field_violations[0].field == "project"),
    ("gnome", "none.bst", grpc.StatusCode.NOT_FOUND, error_details_pb2.ResourceInfo,
     lambda it: (it.resource_type, it.resource_name) == ("hookfetch.v1/element", "none.bst")),
    ("gnome", "bad.bst", grpc.StatusCode.FAILED_PRECONDITION, error_details_pb2.ErrorInfo,
     lambda it: (it.reason, it.domain) == ("TRACK_FAILED", "hookfetch")),
    ("sdk", "x.bst", grpc.StatusCode.UNAVAILABLE, error_details_pb2.RetryInfo,
     lambda it: it.retry_delay.seconds >= 1),
    ("gnome", "away.bst", grpc.StatusCode.UNAVAILABLE, error_details_pb2.RetryInfo,
     lambda it: it.retry_delay.seconds == 8),
]  # fmt: skip


@pytest.mark.parametrize(("project", "element", "code", "kind", "says"), RICH)
async def test_errors_carry_details_for_programs(
    tmp_path: Path,
    project: str,
    element: str,
    code: grpc.StatusCode,
    kind: type[Detail],
    says: Callable[[object], bool],
) -> None:
    async with gateway(tmp_path) as lab, grpc.aio.insecure_channel(lab.target) as channel:
        await coordinate(lab.bus, "gnome", answer)
        stub = sources_pb2_grpc.SourceServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Track(sources_pb2.TrackRequest(project=project, element=element), timeout=10)
        assert caught.value.code() is code
        status = rpc_status.from_call(caught.value)
        detail = kind()
        assert status is not None
        assert status.details[0].Unpack(detail)
        assert says(detail)
