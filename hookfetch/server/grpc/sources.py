"""SourceService: track or fetch one element on request. The coordinator decides and the workers work."""

from collections.abc import Callable, Iterable
from typing import Any

import grpc

from hookfetch.core.events import FetchRequested, TrackRequested
from hookfetch.core.jobs import Reply
from hookfetch.server.grpc.admitted import visible
from hookfetch.server.grpc.checks import no_such_project
from hookfetch.server.grpc.errors import Answering, Refused, failed, invalid, not_found, unavailable
from hookfetch.server.grpc.messages import change_messages, source_messages
from hookfetch.server.grpc.requests import Request, Requests
from hookfetch.v1 import sources_pb2, sources_pb2_grpc

MAX_ELEMENT = 1000  # characters of a name

Context = grpc.aio.ServicerContext[Any, Any]


class SourceServicer(sources_pb2_grpc.SourceServiceServicer):
    """Serves the elements of `projects` through their coordinators."""

    def __init__(self, requests: Requests, projects: Iterable[str]) -> None:
        self._requests = requests
        self._projects = frozenset(projects)

    async def Track(  # noqa: N802  the contract's name
        self, request: sources_pb2.TrackRequest, context: Context
    ) -> sources_pb2.TrackResponse:
        """Return an element's refs as soon as they are tracked."""
        async with Answering(context):
            reply = await self._ask(
                request.project,
                request.element,
                lambda key, inbox: TrackRequested(id=key, element=request.element, reply_to=inbox),
                outcome="tracked",
            )
            return sources_pb2.TrackResponse(
                changes=change_messages(reply.changes), refs=source_messages(reply.refs)
            )

    async def Fetch(  # noqa: N802  the contract's name
        self, request: sources_pb2.FetchRequest, context: Context
    ) -> sources_pb2.FetchResponse:
        """Return once the source cache holds an element's sources."""
        async with Answering(context):
            reply = await self._ask(
                request.project,
                request.element,
                lambda key, inbox: FetchRequested(id=key, element=request.element, reply_to=inbox),
                outcome="fetched",
            )
            return sources_pb2.FetchResponse(
                cached=reply.cached,
                element_key=reply.element_key,
                source_keys=reply.source_keys,
                refs=source_messages(reply.refs),
            )

    async def _ask(
        self, project: str, element: str, make: Callable[[str, str], Request], *, outcome: str
    ) -> Reply:
        """Return the coordinator's reply if it has `outcome`; Refused otherwise."""
        for field, value in (("project", project), ("element", element)):
            if not value:
                raise invalid(field, "must not be empty")
            if len(value) > MAX_ELEMENT:
                raise invalid(field, f"has at most {MAX_ELEMENT} characters")
        if project not in visible(self._projects):
            raise no_such_project(project)
        reply = await self._requests.ask(project, make)
        if reply.outcome == outcome:
            return reply
        if reply.outcome == "unknown_element":
            raise not_found("element", element, f"{project!r} has no element {element!r}")
        if reply.outcome == "unavailable":
            raise unavailable(reply.reason or "the coordinator gave no reason", reply.retry_after)
        if reply.outcome == "failed":
            reason = "TRACK_FAILED" if outcome == "tracked" else "FETCH_FAILED"
            raise failed(reason, reply.reason or "the coordinator gave no reason")
        text = f"asked for {outcome!r}, the coordinator answered {reply.outcome!r}"
        raise Refused(grpc.StatusCode.INTERNAL, text)
