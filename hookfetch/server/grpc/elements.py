"""The calls about elements with open jobs: list, retry, release, cancel. Part of OperationsService."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import structlog

from hookfetch.core.jobs import Reply
from hookfetch.core.operator_requests import CancelRequested, ReleaseRequested, RetryRequested
from hookfetch.core.questions import PAGE_MOST, ElementsAsked, ProjectElements
from hookfetch.core.standing import STATES, ElementStanding, ElementState
from hookfetch.server.grpc.admission.admitted import visible
from hookfetch.server.grpc.checks import named, served
from hookfetch.server.grpc.errors import failed, invalid, not_found, unavailable
from hookfetch.server.grpc.filters import BadFilter, Filter
from hookfetch.server.grpc.pages import no_token, place_in, token_of
from hookfetch.server.grpc.questions import Questions, all_of, newest
from hookfetch.server.grpc.requests import Request, Requests
from hookfetch.server.grpc.stories import message_of
from hookfetch.v1 import operations_pb2 as pb

COMMAND_SECONDS = 30.0  # for a request to be stored

_log = structlog.get_logger(__name__)

Place = tuple[int, str, str]


class ElementCalls:
    """Answers for the elements of `projects`."""

    def __init__(self, questions: Questions, requests: Requests, projects: Iterable[str]) -> None:
        self._questions = questions
        self._requests = requests
        self._here = frozenset(projects)

    @property
    def _projects(self) -> frozenset[str]:
        """Return the projects that exist for the call."""
        return visible(self._here)

    async def list(self, request: pb.ListElementsRequest) -> pb.ListElementsResponse:
        """Return a page of elements, those that want a look first."""
        projects = sorted(set(request.projects) or self._projects)
        served(projects, self._projects)
        _usable("elements", request.elements)
        if not set(request.states) <= set(STATES):
            raise invalid("states", f"each is one of {', '.join(STATES)}")
        limit = min(request.page_size or PAGE_MOST, PAGE_MOST)
        after = _place(request.page_token)
        answers = await self._questions.ask(
            lambda key, inbox: ElementsAsked(
                id=key,
                reply_to=inbox,
                projects=tuple(projects),
                states=cast("tuple[ElementState, ...]", tuple(request.states)),
                globs=tuple(request.elements),
                limit=limit,
                after=after,
            ),
            all_of(projects),
        )
        found = newest(answers, ProjectElements)
        page = sorted(
            ((each.rank, project, each.element), each)
            for project in projects
            if project in found
            for each in found[project].elements
        )[:limit]
        counts = Counter[str]()
        for answer in found.values():
            counts.update(answer.counts)
        return pb.ListElementsResponse(
            elements=[_message(place[1], each) for place, each in page],
            next_page_token=token_of(page[-1][0]) if len(page) == limit else "",
            counts=counts,
            paused=[project for project, answer in sorted(found.items()) if answer.paused],
            silent=sorted(set(projects) - found.keys()),
        )

    async def retry(self, request: pb.RetryElementsRequest, by: str) -> pb.RetryElementsResponse:
        """Have elements tried now for the peer `by`."""
        reply = await self._ask(
            request.project,
            request.elements,
            lambda key, inbox: RetryRequested(id=key, elements=request.elements, reply_to=inbox),
            "NOTHING_TO_RETRY",
        )
        _log.warning("retried", project=request.project, elements=reply.elements, by=by)
        return pb.RetryElementsResponse(elements=reply.elements, left=reply.left, paused=reply.paused)

    async def release(self, request: pb.ReleaseElementsRequest, by: str) -> pb.ReleaseElementsResponse:
        """Have elements let go for the peer `by`."""
        reply = await self._ask(
            request.project,
            request.elements,
            lambda key, inbox: ReleaseRequested(id=key, elements=request.elements, reply_to=inbox),
            "NOTHING_TO_RELEASE",
        )
        _log.warning("released", project=request.project, elements=reply.elements, by=by)
        return pb.ReleaseElementsResponse(elements=reply.elements, left=reply.left, paused=reply.paused)

    async def cancel(self, request: pb.CancelElementsRequest, by: str) -> pb.CancelElementsResponse:
        """Have open jobs of elements ended for the peer `by`."""
        reply = await self._ask(
            request.project,
            request.elements,
            lambda key, inbox: CancelRequested(id=key, elements=request.elements, by=by, reply_to=inbox),
            "NOTHING_TO_CANCEL",
        )
        _log.warning("cancelled", project=request.project, elements=reply.elements, by=by)
        return pb.CancelElementsResponse(elements=reply.elements, left=reply.left)

    async def _ask(
        self, project: str, elements: str, make: Callable[[str, str], Request], nothing: str
    ) -> Reply:
        served([project], self._projects)
        named("elements", elements)
        _usable("elements", [elements])
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                reply = await self._requests.ask(project, make)
        except TimeoutError:
            text = f"{project!r} did not answer within {COMMAND_SECONDS:g} s; it is done once it can"
            raise unavailable(text) from None
        if reply.outcome == "unknown_element":
            raise not_found("element", elements, f"{project!r} has no element {elements!r}")
        if reply.outcome == "failed":
            hint = "see `hookfetch elements list`, and `hookfetch track` for an element that rests"
            raise failed(nothing, f"{project}: {reply.reason}: {hint}")
        return reply


def _usable(field: str, globs: Sequence[str]) -> None:
    try:
        Filter((), globs)
    except BadFilter as error:
        raise invalid(field, str(error)) from error


def _message(project: str, each: ElementStanding) -> pb.OpenElement:
    message = message_of(each, pb.OpenElement)
    message.project = project
    return message


def _place(token: str) -> Place | None:
    if not token:
        return None
    match place_in(token):
        case [int(rank), str(project), str(element)]:
            return rank, project, element
    raise no_token()
