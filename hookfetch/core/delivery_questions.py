"""What a gateway asks every ingress about accepted deliveries, and what they answer. Bounded as all questions
are; only `ReplayAsked` changes something.
"""

from dataclasses import dataclass
from typing import Literal

from hookfetch.core.kept import DeliveryFilter, DeliveryRecord
from hookfetch.core.questions import Question

REPLAYS_MOST = 20
RECEPTIONS_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesAsked(Question):
    """Which deliveries were accepted? Ingresses answer with their newest, at most `PAGE_MOST`.

    `before` goes on after a page: the `received_at` and id of its last record.
    """

    wanted: DeliveryFilter
    limit: int
    before: tuple[float, str] | None = None
    type: Literal["deliveries_asked"] = "deliveries_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayAsked(Question):
    """Send a delivery the whole way again. Only the ingress of this name answers."""

    ingress: str
    delivery_id: str
    type: Literal["replay_asked"] = "replay_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What one ingress knows of the deliveries that were asked for, newest first."""

    ingress: str
    records: tuple[DeliveryRecord, ...] = ()
    type: Literal["accepted"] = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A delivery was sent again under `delivery_id`, or could not be, for `refused`."""

    delivery_id: str | None = None
    refused: str | None = None
    temporary: bool = False
    type: Literal["replayed"] = "replayed"


DeliveryQuestion = DeliveriesAsked | ReplayAsked
DeliveryAnswer = Accepted | Replayed
