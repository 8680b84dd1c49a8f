"""What became of a delivery that left the relay, as the book notes it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from hookfetch.core.events import Pinged, UpstreamFact
from hookfetch.core.kept import FACTS_MOST, DeliveryRecord, Outcome, Place, ToldFact
from hookfetch.core.ports import Spooled


@dataclass(frozen=True, slots=True)
class Ended:
    """How a delivery ended `at` a time (Unix seconds): with facts that the bus has, or a `reason`."""

    spooled: Spooled
    outcome: Outcome
    reason: str | None
    facts: Sequence[UpstreamFact]
    at: float


def why_nothing(facts: Sequence[UpstreamFact]) -> str:
    """Return why there is nothing to publish in what a delivery says."""
    if any(isinstance(fact, Pinged) for fact in facts):
        return "the forge only tried the hook"
    return "it names no repository" if facts else "it tells of nothing that is followed"


def record_of(ended: Ended, place: Place | None) -> DeliveryRecord:
    """Return the record of a delivery whose body is at `place`, if it is kept."""
    delivery = ended.spooled.delivery
    facts = tuple(
        ToldFact(
            id=fact.id,
            type=fact.type,
            repositories=tuple(fact.repositories),
            ref=getattr(fact, "ref", None),
        )
        for fact in ended.facts[:FACTS_MOST]
    )
    return DeliveryRecord(
        id=delivery.id,
        hook=delivery.hook,
        received_at=delivery.received_at,
        relayed_at=ended.at,
        bytes=len(delivery.body),
        outcome=ended.outcome,
        reason=ended.reason,
        facts=facts,
        fact_count=len(ended.facts),
        place=place,
    )
