"""Dead letters from the command line: say what they are, replay them after a fix, drop them. Works
beside a running service.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from hookfetch.config import Config
from hookfetch.core.codec import load_event
from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Permanent
from hookfetch.core.events import Event, Fact
from hookfetch.core.ports import Bus, DeadLetter
from hookfetch.server.deliveries import shown_headers
from hookfetch.spool.outside import append_from_outside
from hookfetch.spool.record import decode_delivery, encode_delivery

Kind = Literal["delivery", "event", "job"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A dead letter for a person or a machine. Times are Unix seconds, `bytes` the size of the message.

    `delivery_id`, `hook` and `received_at` are of the delivery that began it, None where there was none
    or it cannot be told; `event` is the event's type.
    """

    id: str
    kind: Kind
    project: str | None
    hook: str | None
    delivery_id: str | None
    received_at: float | None
    event: str | None
    attempts: int
    reason: str
    failed_at: float
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters are meant; None and empty mean any. `since` is when they died, in Unix seconds;
    `reason` is a text in it, in either case."""

    ids: frozenset[str] = frozenset()
    hook: str | None = None
    project: str | None = None
    kind: Kind | None = None
    since: float | None = None
    reason: str | None = None

    def admits(self, letter: Described) -> bool:
        """Return whether `letter` is meant."""
        return (
            (not self.ids or letter.id in self.ids)
            and self.hook in (None, letter.hook)
            and self.project in (None, letter.project)
            and self.kind in (None, letter.kind)
            and (self.since is None or letter.failed_at >= self.since)
            and (self.reason is None or self.reason.casefold() in letter.reason.casefold())
        )


def describe(letter: DeadLetter) -> Described:
    """Return what is known of `letter`; a body that is damaged only leaves fields None."""
    kind, project = _kind(letter)
    described = Described(
        id=letter.id,
        kind=kind,
        project=project,
        hook=None,
        delivery_id=None,
        received_at=None,
        event=None,
        attempts=letter.attempts,
        reason=letter.reason,
        failed_at=letter.failed_at,
        bytes=len(letter.body),
    )
    if kind == "delivery":
        # Its id is what the door made of hook and forge's id: the body need not be opened for that.
        hook = letter.id.partition("/")[0]
        delivery = _delivery(letter)
        received_at = delivery.received_at if delivery else None
        return replace(described, hook=hook, delivery_id=letter.id, received_at=received_at)
    event = _event(letter) if kind == "event" else None
    if event is None:
        return described
    described = replace(described, event=event.type)
    if isinstance(event, Fact):
        hook, slash, _ = event.delivery_id.partition("/")
        return replace(
            described,
            hook=hook if slash else None,
            delivery_id=event.delivery_id,
            received_at=event.observed_at,
        )
    return described


def content(letter: DeadLetter) -> dict[str, object]:
    """Return what `letter` carries, as JSON values: a delivery's headers, without those that prove who
    sent it, and its body; an event or a job as it is on the bus."""
    delivery = _delivery(letter) if letter.origin == "delivery" else None
    if delivery is None:
        return {"headers": None, "body": _decoded(letter.body)}
    return {"headers": dict(shown_headers(delivery.headers)), "body": _decoded(delivery.body)}


def fields(described: Described) -> Mapping[str, object]:
    """Return a description as JSON values."""
    return asdict(described)


async def replay(bus: Bus, config: Config, letter: DeadLetter) -> None:
    """Send a dead letter where it was going, durable when this returns; the caller removes it then.

    Killed in between, it is sent again, which ids make harmless. Its attempts go with it. Temporary
    when it cannot be sent now, Permanent when it is damaged.
    """
    kind, _ = _kind(letter)
    if kind == "delivery":
        delivery = replace(decode_delivery(letter.body), attempts=letter.attempts)
        if config.bus.broker_url() is None:
            spool, most = config.state_dir / "spool", config.ingress.spool_max
            await asyncio.to_thread(append_from_outside, spool, delivery, most)
        else:  # whichever ingress takes it, on any machine
            await bus.revive(replace(letter, body=encode_delivery(delivery)))
    elif kind == "event":
        await bus.revive(letter)
    # A job needs no sending: its coordinator hands it out again when its lease ends.


def _kind(letter: DeadLetter) -> tuple[Kind, str | None]:
    origin, _, project = letter.origin.partition(":")
    if origin == "delivery":
        return "delivery", None
    return ("event", project) if origin == "project" else ("job", None)


def _delivery(letter: DeadLetter) -> Delivery | None:
    try:
        return decode_delivery(letter.body)
    except Permanent:
        return None  # shown as it is: the reason of its death stands beside it


def _event(letter: DeadLetter) -> Event | None:
    try:
        return load_event(letter.body)
    except Permanent:
        return None  # of another version: the same


def _decoded(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace")
