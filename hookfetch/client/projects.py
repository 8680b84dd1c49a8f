"""Calls about projects: which are served, what they hold, and their branches loaded again. It repeats no
call."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import grpc

from hookfetch.client.errors import from_rpc
from hookfetch.client.work import source_of
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Reloaded
from hookfetch.v1 import projects_pb2 as pb
from hookfetch.v1 import projects_pb2_grpc

ASK_SECONDS = 10.0  # the gateway gathers answers for 2 s
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """How much a project holds, as it was loaded last. `revision` is None for a checkout, `unhealthy` why the
    newest commit is not in use."""

    name: str
    elements: int
    repositories: int
    revision: str | None
    unhealthy: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectList:
    """Projects by name; `silent` ones did not answer."""

    projects: tuple[Project, ...]
    silent: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementSource:
    """A source as it was committed, and what it follows: patterns of full ref names in `repository`."""

    source: SourceRef
    repository: str | None
    follows: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element with its sources; it is `junctioned` where another project has it."""

    name: str
    junctioned: bool
    sources: tuple[ElementSource, ...]


class Projects:
    """The calls over a client's channel. Each raises Unavailable, NotFound, TimedOut or InvalidRequest."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = projects_pb2_grpc.ProjectServiceStub(channel)

    async def list(self) -> ProjectList:
        """Return the projects that the caller may read."""
        try:
            answer = await self._stub.List(pb.ListProjectsRequest(), timeout=ASK_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        return ProjectList(projects=tuple(map(_project, answer.projects)), silent=tuple(answer.silent))

    async def describe(self, project: str, elements: Sequence[str] = ()) -> AsyncIterator[Element]:
        """Yield the elements of a project that match one of the globs `elements`, by name; none means all."""
        request = pb.DescribeProjectRequest(project=project, elements=elements, page_size=_PAGE)
        while True:
            try:
                page = await self._stub.Describe(request, timeout=ASK_SECONDS)
            except grpc.aio.AioRpcError as error:
                raise from_rpc(error) from error
            for message in page.elements:
                yield _element(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def affected(self, project: str, repository: str, ref: str = "") -> Sequence[str]:
        """Return the elements that follow the full `ref` (empty: any) of the repository at an address."""
        request = pb.AffectedRequest(project=project, repository=repository, ref=ref)
        try:
            answer = await self._stub.Affected(request, timeout=ASK_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        return tuple(answer.elements)

    async def reload(self, project: str, *, timeout: float | None = None) -> Reloaded:
        """Have a project's branch loaded again and return what that found, within `timeout` seconds.

        WorkFailed, too, with the reason why it does not load.
        """
        try:
            answer = await self._stub.Reload(pb.ReloadRequest(project=project), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        return Reloaded(
            revision=answer.revision if answer.HasField("revision") else None,
            added=answer.added,
            changed=answer.changed,
            removed=answer.removed,
        )


def _project(message: pb.Project) -> Project:
    return Project(
        name=message.name,
        elements=message.elements,
        repositories=message.repositories,
        revision=message.revision if message.HasField("revision") else None,
        unhealthy=message.unhealthy if message.HasField("unhealthy") else None,
    )


def _element(message: pb.Element) -> Element:
    return Element(
        name=message.name,
        junctioned=message.junctioned,
        sources=tuple(
            ElementSource(
                source=source_of(each.source),
                repository=each.repository if each.HasField("repository") else None,
                follows=tuple(each.follows),
            )
            for each in message.sources
        ),
    )
