"""OperationsService: stories, reports, elements, pauses. It asks those who run, and decides nothing."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import grpc
import structlog

from hookfetch.core.codec import Answered
from hookfetch.core.delivery_questions import DeliveriesAsked, ReplayAsked, Replayed
from hookfetch.core.kept import DeliveryFilter
from hookfetch.core.operator_requests import PauseRequested, ResumeRequested
from hookfetch.core.questions import (
    PAGE_MOST,
    ElementReport,
    OutcomesAsked,
    ProjectReport,
    ProjectStory,
    StateAsked,
    StoryAsked,
    WhyAsked,
)
from hookfetch.core.why import ENDS
from hookfetch.server.grpc.admission.admitted import may_with_all, visible
from hookfetch.server.grpc.checks import named, peer, served
from hookfetch.server.grpc.elements import COMMAND_SECONDS, ElementCalls
from hookfetch.server.grpc.errors import Answering, failed, invalid, not_found, unavailable
from hookfetch.server.grpc.questions import Questions, about, all_of, newest
from hookfetch.server.grpc.requests import Request, Requests
from hookfetch.server.grpc.stories import (
    Seen,
    Standing,
    gone,
    message_of,
    page_place,
    page_token,
    repeats_marked,
    seen_in,
    told_lately,
    unknown,
)
from hookfetch.v1 import operations_pb2 as pb
from hookfetch.v1 import operations_pb2_grpc

MAX_REASON = 500

Context = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger(__name__)


class OperationsServicer(operations_pb2_grpc.OperationsServiceServicer):
    """Serves `projects` by asking those who run. `clock` gives Unix seconds."""

    def __init__(
        self,
        questions: Questions,
        requests: Requests,
        projects: Iterable[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._questions = questions
        self._requests = requests
        self._here = frozenset(projects)
        self._elements = ElementCalls(questions, requests, self._here)

    @property
    def _projects(self) -> frozenset[str]:
        """Return the projects that exist for the call."""
        return visible(self._here)

    async def ListDeliveries(  # noqa: N802  the contract's name
        self, request: pb.ListDeliveriesRequest, context: Context
    ) -> pb.ListDeliveriesResponse:
        """List what ingresses accepted, with what projects made of it."""
        async with Answering(context):
            if request.HasField("outcome") and request.outcome not in ENDS:
                raise invalid("outcome", f"is none of {', '.join(ENDS)}")
            limit = min(request.page_size or PAGE_MOST, PAGE_MOST)
            wanted = DeliveryFilter(
                hook=request.hook if request.HasField("hook") else None,
                since=request.since if request.HasField("since") else None,
                until=request.until if request.HasField("until") else None,
            )
            before = page_place(request.page_token)
            answers = await self._questions.ask(
                lambda key, inbox: DeliveriesAsked(
                    id=key, reply_to=inbox, wanted=wanted, limit=limit, before=before
                ),
                lambda _: True,
                settle=True,
            )
            page = seen_in(answers)[::-1][:limit]
            standing = await self._standing(page)
            whole = may_with_all(self._here)
            shown = [standing.message(seen) for seen in page if whole or standing.concerned(seen.record)]
            return pb.ListDeliveriesResponse(
                deliveries=[
                    each
                    for each in shown
                    if not request.HasField("outcome") or each.outcome == request.outcome
                ],
                next_page_token=page_token(page[-1].record) if len(page) == limit else "",
                silent=standing.silent,
            )

    async def GetDelivery(  # noqa: N802  the contract's name
        self, request: pb.GetDeliveryRequest, context: Context
    ) -> pb.Story:
        """Tell a delivery's story."""
        async with Answering(context):
            named("id", request.id)
            # The story of a replay is told with that of the delivery it repeats.
            answers = await self._story(request.id.partition("~")[0])
            seen = repeats_marked(seen_in(answers))
            stories = newest(answers, ProjectStory)
            told = [
                story for _, story in sorted(stories.items()) if story.events or story.jobs or story.entries
            ]
            if not told and not (seen and may_with_all(self._here)):
                raise unknown(request.id, sorted(self._projects - stories.keys()))
            standing = await self._standing(seen, request.id, answer=stories.keys())
            mine = next((each.record for each in reversed(seen) if each.record.id == request.id), None)
            outcome, reason = standing.of(request.id, mine)
            return pb.Story(
                id=request.id,
                outcome=outcome,
                reason=reason,
                deliveries=[standing.message(each) for each in seen],
                projects=[message_of(story, pb.ProjectStory) for story in told],
                silent=sorted({*standing.silent, *(self._projects - stories.keys())}),
            )

    async def ReplayDelivery(  # noqa: N802  the contract's name
        self, request: pb.ReplayDeliveryRequest, context: Context
    ) -> pb.ReplayDeliveryResponse:
        """Have the ingress that accepted a delivery send it again."""
        async with Answering(context):
            named("id", request.id)
            answers = await self._story(request.id)
            seen = [each for each in seen_in(answers) if each.record.id == request.id]
            if not seen:
                handled = (story.events for story in newest(answers, ProjectStory).values())
                if any(event.delivery_id == request.id for events in handled for event in events):
                    raise gone(request.id)
                raise unknown(request.id, [])
            ingress = seen[-1].ingress
            answers = await self._questions.ask(
                lambda key, inbox: ReplayAsked(
                    id=key, reply_to=inbox, ingress=ingress, delivery_id=request.id
                ),
                bool,
            )
            replayed = next((each for each in answers if isinstance(each, Replayed)), None)
            if replayed is None:
                raise unavailable(f"the ingress {ingress} did not answer; look whether it was replayed")
            if replayed.delivery_id is None:
                reason = replayed.refused or "the ingress gave no reason"
                raise unavailable(reason) if replayed.temporary else failed("REPLAY_REFUSED", reason)
            _log.info("replayed", delivery_id=request.id, replay=replayed.delivery_id, by=peer(context))
            return pb.ReplayDeliveryResponse(id=replayed.delivery_id)

    async def Explain(  # noqa: N802  the contract's name
        self, request: pb.ExplainRequest, context: Context
    ) -> pb.ElementReport:
        """Tell where an element stands."""
        async with Answering(context):
            named("element", request.element)
            project = request.project
            served([project], self._projects)
            answers = await self._questions.ask(
                lambda key, inbox: WhyAsked(id=key, reply_to=inbox, project=project, element=request.element),
                all_of([project]),
            )
            report = newest(answers, ElementReport).get(project)
            if report is None:
                raise unavailable(f"no coordinator of {project!r} answered")
            if not report.known and report.unhealthy is None:
                raise not_found("element", request.element, f"{project!r} has no element {request.element!r}")
            return message_of(report, pb.ElementReport)

    async def ListElements(  # noqa: N802  the contract's name
        self, request: pb.ListElementsRequest, context: Context
    ) -> pb.ListElementsResponse:
        """List elements with an open job."""
        async with Answering(context):
            return await self._elements.list(request)

    async def RetryElements(  # noqa: N802  the contract's name
        self, request: pb.RetryElementsRequest, context: Context
    ) -> pb.RetryElementsResponse:
        """Try elements now."""
        async with Answering(context):
            return await self._elements.retry(request, peer(context))

    async def ReleaseElements(  # noqa: N802  the contract's name
        self, request: pb.ReleaseElementsRequest, context: Context
    ) -> pb.ReleaseElementsResponse:
        """End the quarantine or hold of elements."""
        async with Answering(context):
            return await self._elements.release(request, peer(context))

    async def CancelElements(  # noqa: N802  the contract's name
        self, request: pb.CancelElementsRequest, context: Context
    ) -> pb.CancelElementsResponse:
        """End the open jobs of elements."""
        async with Answering(context):
            return await self._elements.cancel(request, peer(context))

    async def Pause(  # noqa: N802  the contract's name
        self, request: pb.PauseRequest, context: Context
    ) -> pb.PauseResponse:
        """Pause projects."""
        async with Answering(context):
            if len(request.reason) > MAX_REASON:
                raise invalid("reason", f"has at most {MAX_REASON} characters")
            reason, by = " ".join(request.reason.split()), peer(context)
            done = await self._command(
                request.projects,
                lambda key, inbox: PauseRequested(id=key, reason=reason, by=by, reply_to=inbox),
            )
            _log.warning("paused", projects=done, reason=reason, by=by)
            return pb.PauseResponse(projects=done)

    async def Resume(  # noqa: N802  the contract's name
        self, request: pb.ResumeRequest, context: Context
    ) -> pb.ResumeResponse:
        """Let projects go on."""
        async with Answering(context):
            by = peer(context)
            done = await self._command(
                request.projects, lambda key, inbox: ResumeRequested(id=key, by=by, reply_to=inbox)
            )
            _log.warning("resumed", projects=done, by=by)
            return pb.ResumeResponse(projects=done)

    async def State(  # noqa: N802  the contract's name
        self,
        request: pb.StateRequest,  # noqa: ARG002  (the contract's, and empty)
        context: Context,
    ) -> pb.StateResponse:
        """Tell how the projects are."""
        async with Answering(context):
            answers = await self._questions.ask(
                lambda key, inbox: StateAsked(id=key, reply_to=inbox), all_of(self._projects)
            )
            found = newest(answers, ProjectReport)
            return pb.StateResponse(
                projects=[
                    message_of(found[name], pb.ProjectReport)
                    for name in sorted(found.keys() & self._projects)
                ],
                silent=sorted(self._projects - found.keys()),
            )

    async def _story(self, delivery_id: str) -> list[Answered]:
        answers = await self._questions.ask(
            lambda key, inbox: StoryAsked(id=key, reply_to=inbox, delivery_id=delivery_id),
            all_of(self._projects),
            settle=True,
        )
        return about(self._projects, answers)

    async def _standing(
        self, seen: Sequence[Seen], *others: str, answer: Collection[str] | None = None
    ) -> Standing:
        """Return how the deliveries in `seen`, and `others` by id, stand. It waits for the projects that are
        to `answer`, all of them by default."""
        ids = tuple(dict.fromkeys((*others, *(each.record.id for each in seen))))
        if not ids:
            return Standing((), (), ())
        facts = tuple(told_lately(seen, self._clock()))
        answers = await self._questions.ask(
            lambda key, inbox: OutcomesAsked(id=key, reply_to=inbox, delivery_ids=ids, facts=facts),
            all_of(self._projects if answer is None else answer),
        )
        return Standing(about(self._projects, answers), self._projects, facts)

    async def _command(self, wanted: Sequence[str], make: Callable[[str, str], Request]) -> list[str]:
        projects = sorted(set(wanted) or self._projects)
        served(projects, self._projects)
        try:
            async with asyncio.timeout(COMMAND_SECONDS), asyncio.TaskGroup() as group:
                for project in projects:
                    group.create_task(self._requests.ask(project, make))
        except TimeoutError:
            text = f"not every project answered within {COMMAND_SECONDS:g} s; it is done once they can"
            raise unavailable(text) from None
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return projects
