"""OperationsService: stories, reports, pauses. It puts answers together and decides nothing else."""

import asyncio
import base64
import binascii
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar, cast
from urllib.parse import unquote

import grpc
import structlog
from google.protobuf import json_format
from google.protobuf.message import Message
from pydantic import TypeAdapter

from hookfetch.core.events import PauseRequested, ResumeRequested
from hookfetch.core.kept import DeliveryFilter, DeliveryRecord
from hookfetch.core.questions import (
    PAGE_MOST,
    Accepted,
    AnyAnswer,
    DeliveriesAsked,
    ElementReport,
    Ended,
    OutcomesAsked,
    ProjectOutcomes,
    ProjectReport,
    ProjectStory,
    ReplayAsked,
    Replayed,
    StateAsked,
    StoryAsked,
    WhyAsked,
)
from hookfetch.core.why import ENDS, end_of
from hookfetch.server.grpc.errors import Answering, failed, invalid, not_found, unavailable
from hookfetch.server.grpc.questions import OfProject, Questions, newest
from hookfetch.server.grpc.requests import Request, Requests
from hookfetch.v1 import operations_pb2 as pb
from hookfetch.v1 import operations_pb2_grpc

MAX_NAME = 1000  # characters of an id or a name
MAX_REASON = 500
COMMAND_SECONDS = 30.0  # for a pause or its end to be stored

Context = grpc.aio.ServicerContext[Any, Any]
M = TypeVar("M", bound=Message)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    ingress: str
    record: DeliveryRecord


class OperationsServicer(operations_pb2_grpc.OperationsServiceServicer):
    """Serves `projects` by asking those who run."""

    def __init__(self, questions: Questions, requests: Requests, projects: Iterable[str]) -> None:
        self._questions = questions
        self._requests = requests
        self._projects = frozenset(projects)

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
            before = _place(request.page_token)
            answers = await self._questions.ask(
                lambda key, inbox: DeliveriesAsked(
                    id=key, reply_to=inbox, wanted=wanted, limit=limit, before=before
                ),
                lambda _: True,
                settle=True,
            )
            page = sorted(_seen(answers), key=_order, reverse=True)[:limit]
            ended, silent = await self._ended([seen.record.id for seen in page])
            shown = [_delivery(seen, ended[seen.record.id]) for seen in page]
            return pb.ListDeliveriesResponse(
                deliveries=[
                    each
                    for each in shown
                    if not request.HasField("outcome") or each.outcome == request.outcome
                ],
                next_page_token=_token(page[-1].record) if len(page) == limit else "",
                silent=silent,
            )

    async def GetDelivery(  # noqa: N802  the contract's name
        self, request: pb.GetDeliveryRequest, context: Context
    ) -> pb.Story:
        """Tell a delivery's story."""
        async with Answering(context):
            _named("id", request.id)
            # The story of a replay is told with that of the delivery it repeats.
            answers = await self._story(request.id.partition("~")[0])
            seen = sorted(_seen(answers), key=_order)
            stories = newest(answers, ProjectStory)
            told = [
                story for _, story in sorted(stories.items()) if story.events or story.jobs or story.entries
            ]
            silent = sorted(self._projects - stories.keys())
            if not seen and not told:
                raise _unknown(request.id, silent)
            ended: dict[str, list[Ended]] = defaultdict(list)
            for story in told:
                for event in story.events:
                    end = Ended(delivery_id=event.delivery_id, outcome=event.outcome, reason=event.reason)
                    ended[event.delivery_id].append(end)
            mine = next((each.record for each in reversed(seen) if each.record.id == request.id), None)
            outcome, reason = end_of(mine, ended[request.id])
            return pb.Story(
                id=request.id,
                outcome=outcome,
                reason=reason,
                deliveries=[_delivery(each, ended[each.record.id]) for each in seen],
                projects=[message_of(story, pb.ProjectStory) for story in told],
                silent=silent,
            )

    async def ReplayDelivery(  # noqa: N802  the contract's name
        self, request: pb.ReplayDeliveryRequest, context: Context
    ) -> pb.ReplayDeliveryResponse:
        """Have the ingress that accepted a delivery send it again."""
        async with Answering(context):
            _named("id", request.id)
            seen = [each for each in _seen(await self._story(request.id)) if each.record.id == request.id]
            if not seen:
                raise _unknown(request.id, [])
            ingress = max(seen, key=_order).ingress
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
            _log.info("replayed", delivery_id=request.id, replay=replayed.delivery_id, by=_peer(context))
            return pb.ReplayDeliveryResponse(id=replayed.delivery_id)

    async def Explain(  # noqa: N802  the contract's name
        self, request: pb.ExplainRequest, context: Context
    ) -> pb.ElementReport:
        """Tell where an element stands."""
        async with Answering(context):
            _named("element", request.element)
            project = request.project
            self._served([project])
            answers = await self._questions.ask(
                lambda key, inbox: WhyAsked(id=key, reply_to=inbox, project=project, element=request.element),
                _all_of([project]),
            )
            report = newest(answers, ElementReport).get(project)
            if report is None:
                raise unavailable(f"no coordinator of {project!r} answered")
            if not report.known and report.unhealthy is None:
                raise not_found("element", request.element, f"{project!r} has no element {request.element!r}")
            return message_of(report, pb.ElementReport)

    async def Pause(  # noqa: N802  the contract's name
        self, request: pb.PauseRequest, context: Context
    ) -> pb.PauseResponse:
        """Pause projects."""
        async with Answering(context):
            if len(request.reason) > MAX_REASON:
                raise invalid("reason", f"has at most {MAX_REASON} characters")
            reason, by = " ".join(request.reason.split()), _peer(context)
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
            by = _peer(context)
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
                lambda key, inbox: StateAsked(id=key, reply_to=inbox), _all_of(self._projects)
            )
            found = newest(answers, ProjectReport)
            return pb.StateResponse(
                projects=[
                    message_of(found[name], pb.ProjectReport)
                    for name in sorted(found.keys() & self._projects)
                ],
                silent=sorted(self._projects - found.keys()),
            )

    async def _story(self, delivery_id: str) -> list[AnyAnswer]:
        return await self._questions.ask(
            lambda key, inbox: StoryAsked(id=key, reply_to=inbox, delivery_id=delivery_id),
            _all_of(self._projects),
            settle=True,
        )

    async def _ended(self, ids: Sequence[str]) -> tuple[dict[str, list[Ended]], list[str]]:
        ended: dict[str, list[Ended]] = defaultdict(list)
        if not ids:
            return ended, []
        unique = tuple(dict.fromkeys(ids))
        answers = await self._questions.ask(
            lambda key, inbox: OutcomesAsked(id=key, reply_to=inbox, delivery_ids=unique),
            _all_of(self._projects),
        )
        found = newest(answers, ProjectOutcomes)
        for answer in found.values():
            for one in answer.ended:
                ended[one.delivery_id].append(one)
        return ended, sorted(self._projects - found.keys())

    async def _command(self, wanted: Sequence[str], make: Callable[[str, str], Request]) -> list[str]:
        projects = sorted(set(wanted) or self._projects)
        self._served(projects)
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

    def _served(self, projects: Iterable[str]) -> None:
        for project in projects:
            _named("project", project)
            if project not in self._projects:
                raise not_found("project", project, f"no project of this name is served here: {project!r}")


def message_of(value: object, kind: type[M]) -> M:
    """Return a value of `core.questions` as the message that has its fields."""
    fields = _plain(cast("Hashable", type(value))).dump_python(value, mode="json")
    return json_format.ParseDict(fields, kind(), ignore_unknown_fields=True)


@lru_cache(maxsize=64)
def _plain(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _all_of(projects: Collection[str]) -> Callable[[Collection[AnyAnswer]], bool]:
    def enough(answers: Collection[AnyAnswer]) -> bool:
        return {each.project for each in answers if isinstance(each, OfProject)} >= set(projects)

    return enough


def _seen(answers: Iterable[AnyAnswer]) -> list[_Seen]:
    return [
        _Seen(ingress=answer.ingress, record=record)
        for answer in answers
        if isinstance(answer, Accepted)
        for record in answer.records
    ]


def _order(seen: _Seen) -> tuple[float, str]:
    return seen.record.received_at, seen.record.id


def _delivery(seen: _Seen, ended: Iterable[Ended]) -> pb.Delivery:
    message = message_of(replace(seen.record, place=None), pb.Delivery)
    message.ingress = seen.ingress
    outcome, reason = end_of(seen.record, ended)
    message.outcome = outcome
    message.ClearField("reason")
    if reason is not None:
        message.reason = reason
    return message


def _token(record: DeliveryRecord) -> str:
    return base64.urlsafe_b64encode(json.dumps([record.received_at, record.id]).encode()).decode()


def _place(token: str) -> tuple[float, str] | None:
    if not token:
        return None
    try:
        match json.loads(base64.urlsafe_b64decode(token)):
            case [float(at), str(name)]:
                return at, name
    except (ValueError, binascii.Error, RecursionError):
        pass
    raise invalid("page_token", "is not one that a page gave")


def _named(field: str, value: str) -> None:
    if not value:
        raise invalid(field, "must not be empty")
    if len(value) > MAX_NAME:
        raise invalid(field, f"has at most {MAX_NAME} characters")


def _unknown(delivery_id: str, silent: Sequence[str]) -> Exception:
    text = (
        f"{delivery_id}: nobody who answered knows it: see `hookfetch deliveries list` for the ids; it may "
        "be older than is kept, or its ingress away"
    )
    if silent:
        return unavailable(f"{text}; no answer from {', '.join(silent)}")
    return not_found("delivery", delivery_id, text)


def _peer(context: Context) -> str:
    return unquote(str(context.peer()))
