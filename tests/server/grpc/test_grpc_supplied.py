"""Elements that clients bring, at the gateway: who may, how many, and what goes on to the coordinator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.client import Client, InvalidRequest, NotFound, Unavailable, WorkFailed
from hookfetch.client.errors import Denied
from hookfetch.config.supplied import SuppliedConfig
from hookfetch.core.access import Caller, Scope, grant
from hookfetch.core.codec import dump_reply, load_event
from hookfetch.core.events import RequestWithdrawn, SourceRef
from hookfetch.core.jobs import Reply
from hookfetch.core.ports import Message
from hookfetch.core.supplied_requests import SuppliedRequested
from hookfetch.server.access.access import Access
from hookfetch.server.access.shares import Share, Shares
from hookfetch.server.grpc.server import GrpcServer
from hookfetch.server.grpc.supplied import SuppliedElements
from hookfetch.v1 import sources_pb2, sources_pb2_grpc
from tests.server.grpc.gateway_lab import PROJECTS

OLD, NEW = "1" * 40, "2" * 40
SHARE = Share()
TEXT = f"kind: import\nsources:\n- {{kind: git, url: 'up:x.git', track: main, ref: {OLD}}}  # mine\n"

Decide = Callable[[SuppliedRequested], Reply | None]


def answer(event: SuppliedRequested) -> Reply:
    """Answer as a coordinator does to which each source has moved."""
    refs = tuple(
        SourceRef(index=index, kind=source.kind, url="https://up.example/x.git", ref=NEW)
        for index, source in enumerate(event.sources)
    )
    outcome = "tracked" if event.wants == "track" else "fetched"
    return Reply(request_id=event.id, outcome=outcome, element="", refs=refs)  # type: ignore[arg-type]


@asynccontextmanager
async def gateway(
    folder: Path, decide: Decide = answer, share: Share = SHARE, scopes: tuple[Scope, ...] = ()
) -> AsyncIterator[str]:
    """Yield the address of a gateway where nobody has to show anything, and may do what `scopes` say."""
    bus = MemoryBus(folder / "dead")
    await bus.start()

    async def handle(message: Message) -> None:
        event = load_event(message.body)
        reply = None if isinstance(event, RequestWithdrawn) else decide(event)  # type: ignore[arg-type]
        if reply is not None:
            await bus.publish_reply(event.reply_to, Message(id=event.id, body=dump_reply(reply)))  # type: ignore[union-attr, arg-type]

    async def on_active() -> None:
        return None

    await bus.coordinate("gnome", handle, on_active)
    rules = {name: SuppliedConfig().rules() for name in PROJECTS}
    supplied = SuppliedElements(rules, Shares("elements", share, asyncio.get_running_loop().time))
    access = Access((), Caller("anonymous", (grant(scopes, ["*"]),))) if scopes else None
    server = GrpcServer(bus, PROJECTS, "127.0.0.1:0", access=access, supplied=supplied)
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop(0)
        await bus.close()


async def test_the_coordinator_gets_values_and_the_client_its_text_with_the_new_refs(tmp_path: Path) -> None:
    events: list[SuppliedRequested] = []

    def decide(event: SuppliedRequested) -> Reply:
        events.append(event)
        return answer(event)

    async with gateway(tmp_path, decide) as address, Client(address) as client:
        found = await client.supplied.track("gnome", TEXT)
        assert found.text == TEXT.replace(OLD, NEW)
        (change,) = found.tracked.changes
        assert (change.base, change.ref, change.url) == (OLD, NEW, "https://up.example/x.git")
        assert not (await client.supplied.fetch("gnome", TEXT)).cached
    assert [(event.wants, event.sources[0].config) for event in events] == [
        (wants, {"url": "up:x.git", "track": "main"}) for wants in ("track", "fetch")
    ]
    assert "mine" not in repr(events)


async def test_the_coordinators_refusal_names_the_place_too(tmp_path: Path) -> None:
    def decide(event: SuppliedRequested) -> Reply:
        return Reply(
            request_id=event.id, outcome="not_allowed", element="", field="sources[0].url", reason="no alias"
        )

    async with gateway(tmp_path, decide) as address, Client(address) as client:
        with pytest.raises(InvalidRequest, match=r"supplied\.text\.sources\[0\]\.url: no alias"):
            await client.supplied.track("gnome", TEXT)


async def test_what_is_refused_by_its_text_reaches_no_coordinator(tmp_path: Path) -> None:
    asked: list[SuppliedRequested] = []
    async with gateway(tmp_path, lambda event: asked.append(event)) as address, Client(address) as client:
        with pytest.raises(InvalidRequest, match=r"supplied\.text\.sources\[0\]\.url"):
            await client.supplied.fetch("gnome", TEXT.replace("up:x.git", "file:///x"))
        with pytest.raises(InvalidRequest, match=r"supplied\.text: has more than 65536 bytes"):
            await client.supplied.fetch("gnome", "x" * 70_000)
        with pytest.raises(InvalidRequest, match="project"):
            await client.supplied.fetch("", TEXT)
        with pytest.raises(NotFound):
            await client.supplied.fetch("nobody", TEXT)
    assert asked == []


async def test_a_ref_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    def decide(event: SuppliedRequested) -> Reply:
        ref = SourceRef(index=0, kind="git", url=None, ref="%{x}")
        return Reply(request_id=event.id, outcome="tracked", element="", refs=(ref,))

    async with gateway(tmp_path, decide) as address, Client(address) as client:
        with pytest.raises(WorkFailed, match="cannot be written into the text"):
            await client.supplied.track("gnome", TEXT)


@pytest.mark.parametrize("scopes", [("track", "fetch"), ("elements", "fetch"), ("read", "elements")])
async def test_it_takes_the_scope_for_elements_beside_that_of_the_method(
    scopes: tuple[Scope, ...], tmp_path: Path
) -> None:
    async with gateway(tmp_path, scopes=scopes) as address, Client(address) as client:
        with pytest.raises(Denied, match="elements" if "track" in scopes else "track"):
            await client.supplied.track("gnome", TEXT)
    async with gateway(tmp_path, scopes=("track", "elements")) as address, Client(address) as client:
        assert (await client.supplied.track("gnome", TEXT)).text != TEXT


async def refusal(address: str) -> tuple[grpc.StatusCode, dict[str, Any]]:
    """Return how tracking is refused, with its details by their names."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = sources_pb2_grpc.SourceServiceStub(channel)
        brought = sources_pb2.SuppliedElement(text=TEXT)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Track(sources_pb2.TrackRequest(project="gnome", supplied=brought), timeout=30)
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    for packed in status.details:
        kind = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])
        packed.Unpack(found.setdefault(kind.__name__, kind()))
    return caught.value.code(), found


async def test_who_brings_more_than_its_share_is_told_when_to_come_again(tmp_path: Path) -> None:
    async with gateway(tmp_path, share=Share(per_minute=1)) as address, Client(address) as client:
        await client.supplied.track("gnome", TEXT)
        with pytest.raises(Unavailable, match="1 elements a minute"):
            await client.supplied.fetch("gnome", TEXT)
        code, details = await refusal(address)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 0 < details["RetryInfo"].retry_delay.ToTimedelta().total_seconds() <= 60
        (violation,) = details["QuotaFailure"].violations
        assert violation.subject.startswith("caller:anonymous ")
        assert "minute" in violation.description


async def test_so_is_who_has_too_many_worked_on_until_one_has_ended(tmp_path: Path) -> None:
    waiting: list[SuppliedRequested] = []
    share = Share(at_once=1)
    async with (
        gateway(tmp_path, lambda event: waiting.append(event), share) as address,
        Client(address) as client,
    ):
        first = asyncio.create_task(client.supplied.fetch("gnome", TEXT))
        async with asyncio.timeout(30):
            while not waiting:
                await asyncio.sleep(0.01)
        code, details = await refusal(address)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert {"RetryInfo", "QuotaFailure"} <= details.keys()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        async with asyncio.timeout(30):
            while len(waiting) < 2:  # as soon as the gateway has seen that it left
                second = asyncio.create_task(client.supplied.fetch("gnome", TEXT))
                await asyncio.wait({second}, timeout=0.1)
                second.cancel()
                await asyncio.gather(second, return_exceptions=True)
