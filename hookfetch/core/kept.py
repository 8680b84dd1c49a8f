"""What an ingress remembers of a delivery after it was relayed, as values. Pure."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["waiting", "relayed", "nothing", "dead"]

# Facts that a record lists; a delivery may hold thousands, and a record is small.
FACTS_MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a body is: a segment's file name, the offset of a group of deliveries in it, and the
    delivery's ordinal in the group."""

    segment: str
    offset: int
    ordinal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFact:
    """A fact that was published: its id, the event's `type`, whose it is, and the full ref if it has one."""

    id: str
    type: str
    repositories: tuple[str, ...] = ()
    ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """What became of a delivery. Times are Unix seconds, `bytes` is the size of its body.

    `waiting`: in the spool still, `reason` says why if something is away. `relayed`: the bus has
    its facts (`facts` are the first `FACTS_MOST` of `fact_count`). `nothing`: nothing to do, for
    `reason`. `dead`: among the dead letters, for `reason`. A `redelivery` had been received here before
    under the same id; its facts have the ids of the first's and change nothing again.
    """

    id: str
    hook: str
    received_at: float
    relayed_at: float | None
    bytes: int
    outcome: Outcome
    reason: str | None = None
    facts: tuple[ToldFact, ...] = ()
    fact_count: int = 0
    redelivery: bool = False
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDelivery:
    """A record with what is still kept: headers by lower-case name without the values that prove
    who sent it, and the body as it was signed; both None when no longer kept."""

    record: DeliveryRecord
    headers: tuple[tuple[str, str], ...] | None
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are meant; None and empty mean any.

    `repository` is a text that the identity of a repository of one of its facts contains;
    `since` and `until` (exclusive) are Unix seconds of the reception.
    """

    hook: str | None = None
    outcome: Outcome | None = None
    repository: str | None = None
    since: float | None = None
    until: float | None = None

    def admits(self, record: DeliveryRecord) -> bool:
        """Return whether `record` is meant."""
        return (
            self.hook in (None, record.hook)
            and self.outcome in (None, record.outcome)
            and (self.since is None or record.received_at >= self.since)
            and (self.until is None or record.received_at < self.until)
            and (
                not self.repository
                or any(self.repository in name for fact in record.facts for name in fact.repositories)
            )
        )
