"""What becomes of a message once its handler is through with it: the one place that translates
errors for both buses. It never touches a queue: the buses act on the outcome."""

import time
from dataclasses import dataclass
from typing import Literal

import structlog

from hookfetch.core.errors import Permanent, Temporary
from hookfetch.core.ports import MAX_ATTEMPTS, DeadLetter, Handler, Message

log = structlog.get_logger(__name__)

_REASON_LIMIT = 1000  # characters: a reason is for a person, and travels in a message's headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The pause before a message is delivered again, in seconds: `first`, doubled up to `most`."""

    first: float = 0.1
    most: float = 10.0

    def pause(self, attempt: int) -> float:
        """Return the seconds to wait after attempt number `attempt` (from 1) failed."""
        return min(self.most, self.first * 2.0 ** min(attempt - 1, 32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`done`: acknowledge. `again`: deliver again after a pause. `dead`: bury with `reason`."""

    kind: Literal["done", "again", "dead"]
    reason: str = ""


async def attempt(handler: Handler, message: Message) -> Outcome:
    """Run `handler` on `message` once and return what is done next; a bug's traceback is logged."""
    try:
        await handler(message)
    except Temporary as error:
        reason = _one_line(str(error))
        if message.attempt >= MAX_ATTEMPTS:
            return Outcome(kind="dead", reason=reason)
        log.info("message_deferred", message_id=message.id, attempt=message.attempt, reason=reason)
        return Outcome(kind="again", reason=reason)
    except Permanent as error:
        return Outcome(kind="dead", reason=_one_line(str(error)))
    except Exception as error:
        log.exception("handler_failed", message_id=message.id, attempt=message.attempt)
        return Outcome(kind="dead", reason=_one_line(f"bug: {type(error).__name__}: {error}"))
    return Outcome(kind="done")


def letter_of(message: Message, origin: str, reason: str) -> DeadLetter:
    """Return the dead letter that keeps `message`, failed now."""
    return DeadLetter(
        id=message.id,
        origin=origin,
        reason=reason,
        attempts=message.earlier + message.attempt,
        failed_at=time.time(),
        body=message.body,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_REASON_LIMIT]
