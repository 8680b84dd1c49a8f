"""An operator's calls: stories of deliveries, elements and why they have not moved, pauses. It repeats no
call."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import grpc

from hookfetch.client.errors import from_rpc
from hookfetch.client.stories import (
    Cancelled,
    DeliveryPage,
    ElementPage,
    State,
    Story,
    TriedNow,
    value_of,
)
from hookfetch.core.questions import ElementReport
from hookfetch.v1 import operations_pb2 as pb
from hookfetch.v1 import operations_pb2_grpc

ASK_SECONDS = 10.0  # the gateway gathers answers for 2 s, at most twice
COMMAND_SECONDS = 60.0

T = TypeVar("T")


class Operations:
    """The calls over a client's channel. Each raises Unavailable, NotFound, WorkFailed, TimedOut or
    InvalidRequest."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = operations_pb2_grpc.OperationsServiceStub(channel)

    async def deliveries(
        self,
        *,
        hook: str | None = None,
        since: float | None = None,
        until: float | None = None,
        outcome: str | None = None,
        after: str = "",
    ) -> DeliveryPage:
        """Return a page of deliveries, newest first; `since` and `until` are in Unix seconds;
        `after` is the `next_page_token` of the page before."""
        request = pb.ListDeliveriesRequest(
            hook=hook, since=since, until=until, outcome=outcome, page_token=after
        )
        answer = await _result(lambda: self._stub.ListDeliveries(request, timeout=ASK_SECONDS))
        return value_of(answer, DeliveryPage)

    async def story(self, delivery_id: str) -> Story:
        """Return what became of a delivery and its replays."""
        request = pb.GetDeliveryRequest(id=delivery_id)
        return value_of(await _result(lambda: self._stub.GetDelivery(request, timeout=ASK_SECONDS)), Story)

    async def replay(self, delivery_id: str) -> str:
        """Have a delivery sent the whole way again; return its new id."""
        request = pb.ReplayDeliveryRequest(id=delivery_id)
        return (await _result(lambda: self._stub.ReplayDelivery(request, timeout=ASK_SECONDS))).id

    async def explain(self, project: str, element: str) -> ElementReport:
        """Return where an element stands; `summary` says why it has not moved."""
        request = pb.ExplainRequest(project=project, element=element)
        return value_of(
            await _result(lambda: self._stub.Explain(request, timeout=ASK_SECONDS)), ElementReport
        )

    async def elements(
        self,
        *,
        projects: Sequence[str] = (),
        states: Sequence[str] = (),
        globs: Sequence[str] = (),
        after: str = "",
    ) -> ElementPage:
        """Return a page of elements with open jobs, those that want a look first; nothing named means
        all. `after` is the `next_page_token` of the page before."""
        request = pb.ListElementsRequest(projects=projects, states=states, elements=globs, page_token=after)
        return value_of(
            await _result(lambda: self._stub.ListElements(request, timeout=ASK_SECONDS)), ElementPage
        )

    async def retry(self, project: str, elements: str) -> TriedNow:
        """Have an element, or those that match a glob and failed, tried now."""
        request = pb.RetryElementsRequest(project=project, elements=elements)
        answer = await _result(lambda: self._stub.RetryElements(request, timeout=COMMAND_SECONDS))
        return value_of(answer, TriedNow)

    async def release(self, project: str, elements: str) -> TriedNow:
        """End the quarantine or hold of an element, or of those that match a glob."""
        request = pb.ReleaseElementsRequest(project=project, elements=elements)
        answer = await _result(lambda: self._stub.ReleaseElements(request, timeout=COMMAND_SECONDS))
        return value_of(answer, TriedNow)

    async def cancel(self, project: str, elements: str) -> Cancelled:
        """End the open jobs of an element, or of those that match a glob."""
        request = pb.CancelElementsRequest(project=project, elements=elements)
        answer = await _result(lambda: self._stub.CancelElements(request, timeout=COMMAND_SECONDS))
        return value_of(answer, Cancelled)

    async def pause(self, projects: Sequence[str] = (), reason: str = "") -> tuple[str, ...]:
        """Pause projects, all without a name; return which."""
        request = pb.PauseRequest(projects=projects, reason=reason)
        answer = await _result(lambda: self._stub.Pause(request, timeout=COMMAND_SECONDS))
        return tuple(answer.projects)

    async def resume(self, projects: Sequence[str] = ()) -> tuple[str, ...]:
        """Let projects go on, all without a name; return which."""
        request = pb.ResumeRequest(projects=projects)
        answer = await _result(lambda: self._stub.Resume(request, timeout=COMMAND_SECONDS))
        return tuple(answer.projects)

    async def state(self) -> State:
        """Return how the projects are."""
        return value_of(
            await _result(lambda: self._stub.State(pb.StateRequest(), timeout=ASK_SECONDS)), State
        )


async def _result(call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await call()
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error) from error
