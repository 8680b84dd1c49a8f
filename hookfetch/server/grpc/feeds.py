"""FeedService: where releases are told of, and how asking goes. It asks coordinators, and decides nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

import grpc
import structlog

from hookfetch.core.feed_questions import FeedCheckAsked, FeedCheckTold, FeedsAsked, FeedsTold
from hookfetch.core.feeds import FeedReport
from hookfetch.core.questions import PAGE_MOST
from hookfetch.server.grpc.admission.admitted import visible
from hookfetch.server.grpc.checks import peer, served
from hookfetch.server.grpc.errors import Answering, failed, invalid, unavailable
from hookfetch.server.grpc.filters import BadFilter, Filter
from hookfetch.server.grpc.pages import no_token, place_in, token_of
from hookfetch.server.grpc.questions import Questions, all_of, newest
from hookfetch.server.grpc.stories import message_of
from hookfetch.v1 import feeds_pb2 as pb
from hookfetch.v1 import feeds_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger(__name__)


class FeedServicer(feeds_pb2_grpc.FeedServiceServicer):
    """Serves `projects` by asking those who run."""

    def __init__(self, questions: Questions, projects: Iterable[str]) -> None:
        self._questions = questions
        self._here = frozenset(projects)

    @property
    def _projects(self) -> frozenset[str]:
        """Return the projects that exist for the call."""
        return visible(self._here)

    async def List(  # noqa: N802  the contract's name
        self, request: pb.ListFeedsRequest, context: Context
    ) -> pb.ListFeedsResponse:
        """List what is asked for elements."""
        async with Answering(context):
            projects = sorted(set(request.projects) or self._projects)
            served(projects, self._projects)
            _usable(request.elements)
            limit = min(request.page_size or PAGE_MOST, PAGE_MOST)
            after = _place(request.page_token)
            answers = await self._questions.ask(
                lambda key, inbox: FeedsAsked(
                    id=key,
                    reply_to=inbox,
                    projects=tuple(projects),
                    limit=limit,
                    globs=tuple(request.elements),
                    after=after,
                ),
                all_of(projects),
            )
            found = newest(answers, FeedsTold)
            page = sorted(
                (
                    ((project, each.element, each.current or ""), each)
                    for project in projects
                    if project in found
                    for each in found[project].feeds
                    if after is None or (project, each.element, each.current or "") > after
                ),
                key=lambda pair: pair[0],
            )[:limit]
            return pb.ListFeedsResponse(
                feeds=[_message(place[0], each) for place, each in page],
                next_page_token=token_of(page[-1][0]) if len(page) == limit else "",
                silent=sorted(set(projects) - found.keys()),
            )

    async def Check(  # noqa: N802  the contract's name
        self, request: pb.CheckFeedsRequest, context: Context
    ) -> pb.CheckFeedsResponse:
        """Have feeds asked now."""
        async with Answering(context):
            project = request.project
            served([project], self._projects)
            _usable(request.elements)
            answers = await self._questions.ask(
                lambda key, inbox: FeedCheckAsked(
                    id=key, reply_to=inbox, project=project, globs=tuple(request.elements)
                ),
                all_of([project]),
            )
            told = newest(answers, FeedCheckTold).get(project)
            if told is None:
                raise unavailable(f"no coordinator of {project!r} answered")
            if told.feeds is None:
                raise failed(
                    "NOTHING_ASKED",
                    f"{project!r} asks no feeds: it is paused, loading, or feeds.ask is false",
                )
            _log.info("feeds checked", project=project, feeds=told.feeds, by=peer(context))
            return pb.CheckFeedsResponse(feeds=told.feeds, at=told.at)


def _usable(globs: Sequence[str]) -> None:
    try:
        Filter((), globs)
    except BadFilter as error:
        raise invalid("elements", str(error)) from error


def _message(project: str, each: FeedReport) -> pb.Feed:
    message = message_of(each, pb.Feed)
    message.project = project
    return message


def _place(token: str) -> tuple[str, str, str] | None:
    if not token:
        return None
    match place_in(token):
        case [str(project), str(element), str(current)]:
            return project, element, current
    raise no_token()
