"""ProjectService: what the projects hold, and their branches loaded again. It asks their coordinators."""

from collections.abc import Collection, Iterable
from typing import Any

import grpc
import structlog

from hookfetch.core.job_requests import ReloadRequested
from hookfetch.core.jobs import Reloaded
from hookfetch.core.project_questions import (
    ELEMENTS_MOST,
    ContentAsked,
    ContentTold,
    DescribedElement,
    FollowersAsked,
    FollowersTold,
    ProjectsAsked,
    ProjectTold,
)
from hookfetch.core.repository import identify
from hookfetch.server.grpc.admission.admitted import visible
from hookfetch.server.grpc.checks import named, peer, served
from hookfetch.server.grpc.errors import Answering, Refused, failed, invalid, unavailable
from hookfetch.server.grpc.filters import BadFilter, Filter
from hookfetch.server.grpc.messages import source_messages
from hookfetch.server.grpc.pages import no_token, place_in, token_of
from hookfetch.server.grpc.questions import Questions, all_of, newest
from hookfetch.server.grpc.requests import Requests
from hookfetch.v1 import projects_pb2 as pb
from hookfetch.v1 import projects_pb2_grpc

DEFAULT_PAGE = 100
MAX_URL = 4000  # characters
MAX_REF = 1000

Context = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger(__name__)


class ProjectServicer(projects_pb2_grpc.ProjectServiceServicer):
    """Serves `projects` by asking their coordinators."""

    def __init__(self, questions: Questions, requests: Requests, projects: Iterable[str]) -> None:
        self._questions = questions
        self._requests = requests
        self._here = frozenset(projects)

    async def List(  # noqa: N802  the contract's name
        self,
        request: pb.ListProjectsRequest,  # noqa: ARG002  (the contract's, and empty)
        context: Context,
    ) -> pb.ListProjectsResponse:
        """List the projects that the caller may read."""
        async with Answering(context):
            here = visible(self._here)
            answers = await self._questions.ask(
                lambda key, inbox: ProjectsAsked(id=key, reply_to=inbox), all_of(here)
            )
            found = newest(answers, ProjectTold)
            return pb.ListProjectsResponse(
                projects=[_project(found[name]) for name in sorted(found.keys() & here)],
                silent=sorted(here - found.keys()),
            )

    async def Describe(  # noqa: N802  the contract's name
        self, request: pb.DescribeProjectRequest, context: Context
    ) -> pb.DescribeProjectResponse:
        """Tell a page of a project's elements."""
        async with Answering(context):
            project = request.project
            _check(project, visible(self._here))
            if request.page_size > ELEMENTS_MOST:
                raise invalid("page_size", f"at most {ELEMENTS_MOST}")
            try:
                Filter((), request.elements)
            except BadFilter as error:
                raise invalid("elements", str(error)) from error
            after = _after(request.page_token)
            limit = request.page_size or DEFAULT_PAGE
            answers = await self._questions.ask(
                lambda key, inbox: ContentAsked(
                    id=key,
                    reply_to=inbox,
                    project=project,
                    limit=limit,
                    globs=tuple(request.elements),
                    after=after,
                ),
                all_of([project]),
            )
            told = newest(answers, ContentTold).get(project)
            if told is None:
                raise _silent(project)
            return pb.DescribeProjectResponse(
                project=_project(told.whole),
                elements=map(_element, told.elements),
                next_page_token=token_of([told.elements[-1].name]) if told.more else "",
            )

    async def Affected(  # noqa: N802  the contract's name
        self, request: pb.AffectedRequest, context: Context
    ) -> pb.AffectedResponse:
        """Tell which elements follow a ref of a repository."""
        async with Answering(context):
            project = request.project
            _check(project, visible(self._here))
            if len(request.repository) > MAX_URL:
                raise invalid("repository", f"has at most {MAX_URL} characters")
            repository = identify(request.repository)
            if repository is None:
                raise invalid("repository", "names no repository on a host")
            if len(request.ref) > MAX_REF or (request.ref and not request.ref.startswith("refs/")):
                raise invalid("ref", "is a full ref, `refs/heads/...` or `refs/tags/...`, or empty for all")
            answers = await self._questions.ask(
                lambda key, inbox: FollowersAsked(
                    id=key, reply_to=inbox, project=project, repository=repository, ref=request.ref
                ),
                all_of([project]),
            )
            told = newest(answers, FollowersTold).get(project)
            if told is None or not told.loaded:
                raise _silent(project)
            return pb.AffectedResponse(elements=told.elements)

    async def Reload(  # noqa: N802  the contract's name
        self, request: pb.ReloadRequest, context: Context
    ) -> pb.ReloadResponse:
        """Have the branch loaded again."""
        async with Answering(context):
            _check(request.project, visible(self._here))
            by = peer(context)
            reply = await self._requests.ask(
                request.project, lambda key, inbox: ReloadRequested(id=key, by=by, reply_to=inbox)
            )
            if reply.outcome == "unavailable":
                raise unavailable(reply.reason or "the coordinator gave no reason", reply.retry_after)
            if reply.outcome == "failed":
                raise failed("RELOAD_FAILED", reply.reason or "the coordinator gave no reason")
            loaded = reply.reloaded or Reloaded()
            _log.info("reloaded", project=request.project, revision=loaded.revision, by=by)
            return pb.ReloadResponse(
                revision=loaded.revision, added=loaded.added, changed=loaded.changed, removed=loaded.removed
            )


def _check(project: str, here: Collection[str]) -> None:
    named("project", project)
    served([project], here)


def _silent(project: str) -> Refused:
    return unavailable(f"no coordinator of {project!r} that has loaded it answered")


def _after(token: str) -> str:
    if not token:
        return ""
    match place_in(token):
        case [str(name)]:
            return name
    raise no_token()


def _project(told: ProjectTold) -> pb.Project:
    return pb.Project(
        name=told.project,
        elements=told.elements,
        repositories=told.repositories,
        revision=told.revision,
        unhealthy=told.unhealthy,
    )


def _element(element: DescribedElement) -> pb.Element:
    messages = source_messages(each.source for each in element.sources)
    return pb.Element(
        name=element.name,
        junctioned=":" in element.name,
        sources=[
            pb.ElementSource(source=message, repository=each.repository, follows=each.follows)
            for message, each in zip(messages, element.sources, strict=True)
        ],
    )
