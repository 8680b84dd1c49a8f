"""JobService: how the job of an element stands, and its end. The coordinator tells; nothing is decided
here."""

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

import grpc

from hookfetch.core.globs import is_glob
from hookfetch.core.job_requests import WatchRequested
from hookfetch.core.jobs import Reply
from hookfetch.server.grpc.admission.admitted import visible
from hookfetch.server.grpc.checks import named, peer, served
from hookfetch.server.grpc.elements import ElementCalls
from hookfetch.server.grpc.errors import Answering, Refused, invalid, not_found
from hookfetch.server.grpc.requests import Requests
from hookfetch.server.grpc.work import progress_message
from hookfetch.v1 import jobs_pb2, jobs_pb2_grpc, operations_pb2

# What was told and got lost is made good by asking again.
ASK_AGAIN_SECONDS = 30.0

Context = grpc.aio.ServicerContext[Any, Any]


class JobServicer(jobs_pb2_grpc.JobServiceServicer):
    """Serves the jobs of `projects`; a watched job of which nothing is heard for `ask_again` seconds is asked
    after anew."""

    def __init__(
        self,
        requests: Requests,
        elements: ElementCalls,
        projects: Iterable[str],
        ask_again: float = ASK_AGAIN_SECONDS,
    ) -> None:
        self._requests = requests
        self._elements = elements
        self._projects = frozenset(projects)
        self.ask_again = ask_again

    async def Watch(  # noqa: N802  the contract's name
        self, request: jobs_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[jobs_pb2.WatchJobResponse]:
        """Tell how an element's open job stands until it is over."""
        async with Answering(context):
            self._check(request.project, request.element)
            last: jobs_pb2.JobProgress | None = None
            over = False
            while not over:
                told = self._requests.follow(
                    request.project,
                    lambda key, inbox: WatchRequested(id=key, element=request.element, reply_to=inbox),
                    quiet=self.ask_again,
                )
                async with aclosing(told):
                    async for each in told:
                        if isinstance(each, Reply):
                            raise _without_job(each, request.project, request.element)
                        over = each.state in ("done", "ended")
                        progress = progress_message(each)
                        if progress != last:
                            yield jobs_pb2.WatchJobResponse(progress=progress)
                        last = progress
                        if over:
                            break

    async def Cancel(  # noqa: N802  the contract's name
        self, request: jobs_pb2.CancelJobRequest, context: Context
    ) -> jobs_pb2.CancelJobResponse:
        """End an element's open jobs."""
        async with Answering(context):
            self._check(request.project, request.element)
            await self._elements.cancel(
                operations_pb2.CancelElementsRequest(project=request.project, elements=request.element),
                peer(context),
            )
            return jobs_pb2.CancelJobResponse()

    def _check(self, project: str, element: str) -> None:
        named("project", project)
        named("element", element)
        if is_glob(element):
            raise invalid("element", "is one element's full name, and no glob")
        served([project], visible(self._projects))


def _without_job(reply: Reply, project: str, element: str) -> Refused:
    if reply.outcome == "no_job":
        return not_found("job", element, reply.reason or f"{element} has no open job")
    return not_found("element", element, f"{project!r} has no element {element!r}")
