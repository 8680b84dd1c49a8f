"""What ingresses and coordinators answered, put together: deliveries, and how each stands. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.message import Message
from pydantic import TypeAdapter

from hookfetch.core.codec import Answered
from hookfetch.core.delivery_questions import Accepted
from hookfetch.core.kept import DeliveryRecord, ToldFact
from hookfetch.core.questions import FACTS_ASKED_MOST, Ended, ProjectOutcomes
from hookfetch.core.why import Heard, end_of
from hookfetch.server.grpc.errors import not_found, unavailable
from hookfetch.server.grpc.pages import no_token, place_in, token_of
from hookfetch.server.grpc.questions import newest
from hookfetch.v1 import operations_pb2 as pb

# Seconds for which a fact may be on its way to a project that is bound to its repository. Later, that no
# project handled it means that none was bound when it came.
ON_ITS_WAY = 600.0

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A delivery as one ingress knows it."""

    ingress: str
    record: DeliveryRecord


def seen_in(answers: Iterable[Answered]) -> list[Seen]:
    """Return what ingresses know, in the order in which it was received."""
    seen = [
        Seen(ingress=answer.ingress, record=record)
        for answer in answers
        if isinstance(answer, Accepted)
        for record in answer.records
    ]
    return sorted(seen, key=lambda each: (each.record.received_at, each.record.id))


def repeats_marked(seen: Sequence[Seen]) -> list[Seen]:
    """Return `seen` with each as a redelivery that came before under its id, at whichever ingress."""
    before = Counter[str]()
    marked = []
    for each in seen:
        again = each.record.redelivery or before[each.record.id] > 0
        before[each.record.id] += 1
        marked.append(replace(each, record=replace(each.record, redelivery=again)))
    return marked


def told_lately(seen: Iterable[Seen], now: float) -> list[ToldFact]:
    """Return the facts that may be on their way at `now` (Unix seconds), at most `FACTS_ASKED_MOST`."""
    facts = {
        fact.id: fact
        for each in seen
        if each.record.relayed_at is not None and each.record.relayed_at > now - ON_ITS_WAY
        for fact in each.record.facts
    }
    return list(facts.values())[:FACTS_ASKED_MOST]


class Standing:
    """How deliveries stand in `projects`, from their coordinators' `answers`. `asked` are the facts that
    they were asked about."""

    def __init__(
        self, answers: Collection[Answered], projects: Collection[str], asked: Iterable[ToldFact]
    ) -> None:
        found = newest(answers, ProjectOutcomes)
        self.silent = sorted(set(projects) - found.keys())
        self._asked = frozenset(fact.id for fact in asked)
        self._unhandled = {name: frozenset(answer.unhandled) for name, answer in sorted(found.items())}
        self._ended = defaultdict[str, list[Ended]](list)
        for answer in found.values():
            for one in answer.ended:
                self._ended[one.delivery_id].append(one)

    def of(self, delivery_id: str, record: DeliveryRecord | None) -> tuple[str, str | None]:
        """Return the word for how a delivery stands, and why."""
        facts = {fact.id for fact in record.facts} if record is not None else set[str]()
        heard = Heard(
            ended=self._ended[delivery_id],
            behind=[name for name, unhandled in self._unhandled.items() if unhandled & facts],
            silent=self.silent,
            lately=bool(facts & self._asked),
        )
        return end_of(record, heard)

    def concerned(self, record: DeliveryRecord) -> bool:
        """Return whether one of the projects handled a delivery, or is about to."""
        facts = {fact.id for fact in record.facts}
        return bool(self._ended.get(record.id)) or any(facts & each for each in self._unhandled.values())

    def message(self, seen: Seen) -> pb.Delivery:
        """Return a delivery and how it stands, as the contract has it."""
        message = message_of(replace(seen.record, place=None), pb.Delivery)
        message.ingress = seen.ingress
        outcome, reason = self.of(seen.record.id, seen.record)
        message.outcome = outcome
        message.ClearField("reason")
        if reason is not None:
            message.reason = reason
        return message


def message_of(value: object, kind: type[M]) -> M:
    """Return a value of `core.questions` as the message that has its fields."""
    fields = _plain(cast("Hashable", type(value))).dump_python(value, mode="json")
    return json_format.ParseDict(fields, kind(), ignore_unknown_fields=True)


@lru_cache(maxsize=64)
def _plain(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def page_token(last: DeliveryRecord) -> str:
    """Return what goes on after a page that ended with `last`."""
    return token_of([last.received_at, last.id])


def page_place(token: str) -> tuple[float, str] | None:
    """Return where a page begins, None for the first one; Refused when no page gave `token`."""
    if not token:
        return None
    match place_in(token):
        case [float(at), str(name)] if math.isfinite(at):
            return at, name
    raise no_token()


def unknown(delivery_id: str, silent: Sequence[str]) -> Exception:
    """Return what is raised for a delivery that nobody who answered knows."""
    text = (
        f"{delivery_id}: nobody who answered knows it: see `hookfetch deliveries list` for the ids; it may "
        "be older than is kept, or its ingress away"
    )
    if silent:
        return unavailable(f"{text}; no answer from {', '.join(silent)}")
    return not_found("delivery", delivery_id, text)


def gone(delivery_id: str) -> Exception:
    """Return what is raised for a replay of a delivery that a project handled and no ingress holds."""
    text = (
        f"{delivery_id}: a project handled it, but no ingress that answered holds it: it may be older than "
        "is kept, or its ingress away or without its former disk: have the forge send it again"
    )
    return not_found("delivery", delivery_id, text)
