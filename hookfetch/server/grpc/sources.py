"""SourceService: work on one element on request. The coordinator decides and the workers work."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any

import grpc

from hookfetch.core.events import FetchRequested, TrackRequested
from hookfetch.core.jobs import Progress, Reply
from hookfetch.server.grpc import staging
from hookfetch.server.grpc.admission.admitted import visible
from hookfetch.server.grpc.checks import named, no_such_project
from hookfetch.server.grpc.errors import Answering, Refused, failed, not_found, unavailable
from hookfetch.server.grpc.locating import Locating
from hookfetch.server.grpc.messages import change_messages, source_messages
from hookfetch.server.grpc.requests import Request, Requests
from hookfetch.server.grpc.supplied import SuppliedElements, not_allowed
from hookfetch.server.grpc.work import fetched_message, progress_message
from hookfetch.v1 import sources_pb2, sources_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class SourceServicer(sources_pb2_grpc.SourceServiceServicer):
    """Serves the elements of `projects` through their coordinators."""

    def __init__(
        self, requests: Requests, projects: Iterable[str], supplied: SuppliedElements, locating: Locating
    ) -> None:
        self._requests = requests
        self._supplied = supplied
        self._locating = locating
        self._projects = frozenset(projects)

    async def Track(  # noqa: N802  the contract's name
        self, request: sources_pb2.TrackRequest, context: Context
    ) -> sources_pb2.TrackResponse:
        """Return an element's refs as soon as they are tracked."""
        async with Answering(context):
            if request.WhichOneof("subject") == "supplied":
                return await self._track_supplied(request, context)
            element = self._element(request)
            reply = await self._requests.ask(
                request.project,
                lambda key, inbox: TrackRequested(id=key, element=element, reply_to=inbox),
            )
            _expect("tracked", reply, request.project, element, "TRACK_FAILED")
            return sources_pb2.TrackResponse(
                changes=change_messages(reply.changes), refs=source_messages(reply.refs)
            )

    async def Fetch(  # noqa: N802  the contract's name
        self, request: sources_pb2.FetchRequest, context: Context
    ) -> AsyncIterator[sources_pb2.FetchResponse]:
        """Tell how the work stands, and at last what the source cache holds."""
        fetching = self._fetching(request, context, "FETCH_FAILED")
        async with Answering(context), aclosing(fetching) as told:
            async for each in told:
                if isinstance(each, Progress):
                    yield sources_pb2.FetchResponse(progress=progress_message(each))
                else:
                    yield sources_pb2.FetchResponse(fetched=fetched_message(each))

    async def Stage(  # noqa: N802  the contract's name
        self, request: sources_pb2.StageRequest, context: Context
    ) -> AsyncIterator[sources_pb2.StageResponse]:
        """Tell how the work stands, and at last where an element's sources are staged."""
        fetching = self._fetching(request, context, staging.FAILED)
        async with Answering(context), aclosing(fetching) as told:
            async for each in told:
                yield staging.stage_response(each)

    async def Locate(  # noqa: N802  the contract's name
        self, request: sources_pb2.LocateRequest, context: Context
    ) -> sources_pb2.LocateResponse:
        """Tell where an element's sources are."""
        async with Answering(context):
            return await self._locating.locate(request)

    async def _track_supplied(
        self, request: sources_pb2.TrackRequest, context: Context
    ) -> sources_pb2.TrackResponse:
        project, text = request.project, request.supplied.text
        async with self._supplied.taken(self._projects, project, text, "track", context) as brought:
            reply = await self._requests.ask(project, brought.event)
            _expect("tracked", reply, project, "", "TRACK_FAILED")
            return await brought.tracked(reply)

    async def _fetching(
        self, request: sources_pb2.FetchRequest | sources_pb2.StageRequest, context: Context, failure: str
    ) -> AsyncGenerator[Progress | Reply, None]:
        """Yield how a fetch stands, and at last the coordinator's reply; Refused, for the reason `failure`,
        when it came to nothing."""
        if request.WhichOneof("subject") == "supplied":
            project, text = request.project, request.supplied.text
            async with (
                self._supplied.taken(self._projects, project, text, "fetch", context) as brought,
                aclosing(self._followed(project, "", brought.event, failure)) as told,
            ):
                async for each in told:
                    yield each
            return
        element = self._element(request)

        def make(key: str, inbox: str) -> FetchRequested:
            return FetchRequested(id=key, element=element, reply_to=inbox)

        async with aclosing(self._followed(request.project, element, make, failure)) as told:
            async for each in told:
                yield each

    async def _followed(
        self, project: str, element: str, make: Callable[[str, str], Request], failure: str
    ) -> AsyncGenerator[Progress | Reply, None]:
        async with aclosing(self._requests.follow(project, make)) as told:
            async for each in told:
                if isinstance(each, Reply):
                    _expect("fetched", each, project, element, failure)
                yield each

    def _element(
        self, request: sources_pb2.TrackRequest | sources_pb2.FetchRequest | sources_pb2.StageRequest
    ) -> str:
        """Return the element that a request is about; Refused where it names none that could be."""
        named("project", request.project)
        named("element", request.element)
        if request.project not in visible(self._projects):
            raise no_such_project(request.project)
        return request.element


def _expect(outcome: str, reply: Reply, project: str, element: str, failure: str) -> None:
    """Refused unless the coordinator's reply has `outcome`; for the reason `failure` if it has failed."""
    if reply.outcome == outcome:
        return
    if reply.outcome == "unknown_element":
        raise not_found("element", element, f"{project!r} has no element {element!r}")
    if reply.outcome == "unavailable":
        raise unavailable(reply.reason or "the coordinator gave no reason", reply.retry_after)
    if reply.outcome == "not_allowed":
        raise not_allowed(reply.field, reply.reason or "is not allowed")
    if reply.outcome == "failed":
        raise failed(failure, reply.reason or "the coordinator gave no reason")
    text = f"asked for {outcome!r}, the coordinator answered {reply.outcome!r}"
    raise Refused(grpc.StatusCode.INTERNAL, text)
