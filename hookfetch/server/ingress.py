"""The door: `POST /hooks/<hook>` is verified as raw bytes, made durable, and answered 202.

It parses no payload and knows no repository. Before the signature is checked a sender is
owed nothing and gets little: bounded bytes, bounded time, a bare status. After it, the
answer is 202 once the delivery is durable, or 503 with Retry-After; never a 4xx, which
would make a forge switch the hook off, and never a trace of what went wrong here.
"""

import asyncio
import functools
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Busy, Rejected
from hookfetch.core.ports import Forge
from hookfetch.server.door.answer import Answer, Refused, refusal
from hookfetch.server.door.gunzip import gunzip
from hookfetch.server.door.house import Reply
from hookfetch.server.door.request import Head
from hookfetch.server.door.senders import Address, Network, is_in

# What a delivery id may look like as it is: no `/` and no `#`, which join it to hook and ordinal.
_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
# Bytes up to which a body is checked, and given an id, on the event loop: a quarter of a millisecond.
_VERIFIED_HERE = 256 * 1024
# A forge signs the body it made; what compresses it on the way knows no secret. So the signature is
# over the opened body, which is also what is stored, without the headers that spoke of the other.
_OF_THE_CODING = frozenset({"content-encoding", "content-length"})
# Compressed bodies opened and checked at once; each may take `max_body` beside what it came as.
_OPENED_AT_ONCE = 2

_log = structlog.get_logger(__name__)

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A configured registration: who sends to `/hooks/<name>`, what may have signed it, and from
    which networks it may come (from all without `allow_from`)."""

    name: str
    forge: Forge
    secrets: tuple[str, ...] = field(repr=False)
    allow_from: tuple[Network, ...] = ()


class DeliveryStore(Protocol):
    """The part of a spool that the door needs."""

    async def append(self, delivery: Delivery) -> None:
        """Return once `delivery` is durable; Busy when it was not accepted."""

    async def check(self) -> None:
        """Return if a delivery could be stored now; Busy otherwise."""


class Ingress:
    """Receives for `hooks` (by name) into `spool`.

    `clock` gives Unix seconds; `max_body` is in bytes. `GET /live` answers 200 while the
    process answers at all, `GET /ready` only while a delivery could be stored.
    """

    def __init__(self, hooks: Mapping[str, Hook], spool: DeliveryStore, clock: Clock, max_body: int) -> None:
        self._spool = spool
        self._clock = clock
        self._max_body = max_body
        self._opening = asyncio.Semaphore(_OPENED_AT_ONCE)
        self._hooks: dict[str, tuple[Hook, Reply]] = {}
        for hook in hooks.values():
            self._open(hook)
        self._pages: dict[str, Reply] = {"/live": _live, "/ready": self._ready}

    def renew(self, name: str, secrets: tuple[str, ...]) -> None:
        """Believe `secrets` from the next delivery to the hook `name` on, and no others."""
        self._open(replace(self._hooks[f"/hooks/{name}"][0], secrets=secrets))

    def _open(self, hook: Hook) -> None:
        self._hooks[f"/hooks/{hook.name}"] = (hook, functools.partial(self._receive, hook))

    def route(self, head: Head, sender: Address) -> Reply:
        """Return who answers `head`, whose body is not read yet; Refused when nobody does."""
        if head.path not in self._hooks:
            if head.path not in self._pages:
                raise Refused(404, "not_found")
            if head.method not in {"GET", "HEAD"}:
                raise Refused(405, "method_not_allowed", allow="GET, HEAD")
            return self._pages[head.path]
        hook, reply = self._hooks[head.path]
        if hook.allow_from and not is_in(sender, hook.allow_from):
            raise Refused(403, "network", closes=True)
        if head.method != "POST":
            raise Refused(405, "method_not_allowed", allow="POST")
        if _coding(head) not in {"identity", "gzip"}:
            raise Refused(415, "content_encoding", closes=True)
        return reply

    async def _receive(self, hook: Hook, head: Head, body: bytes) -> Answer:
        try:
            return await self._accept(hook, head, body)
        except Rejected as rejected:
            _log.info("refused", hook=hook.name, code=rejected.code, reason=rejected.reason)
            return refusal(Refused(401, rejected.code))
        except Refused as refused:
            _log.info("refused", hook=hook.name, code=refused.code)
            return refusal(refused)
        except Busy as busy:
            _log.warning("refused", hook=hook.name, code="busy", reason=str(busy))
            return refusal(Refused(503, "busy"))
        except Exception:  # noqa: BLE001 (logged; the sender is told to come back, and nothing else)
            _log.exception("refused", hook=hook.name, code="unavailable")
            return refusal(Refused(503, "unavailable"))

    async def _ready(self, _: Head, __: bytes) -> Answer:
        try:
            await self._spool.check()
        except Busy as busy:
            _log.warning("not_ready", reason=str(busy))
            return refusal(Refused(503, "busy"))
        except Exception:  # noqa: BLE001 (logged; what cannot be asked cannot store)
            _log.exception("not_ready")
            return refusal(Refused(503, "unavailable"))
        return Answer(200, {"status": "ready"})

    async def _accept(self, hook: Hook, head: Head, body: bytes) -> Answer:
        if head.repeated is not None:
            # Two parties that read different ones (a proxy the first, the forge's code the last)
            # could be told different signatures.
            raise Rejected("signature", "a header that must not be is repeated")
        headers = head.headers
        now = self._clock()
        if _coding(head) == "gzip":
            headers = {name: text for name, text in headers.items() if name not in _OF_THE_CODING}
            # The spool counts what waits for it; an unsigned body does not get that far.
            async with self._opening:
                body = await asyncio.to_thread(gunzip, body, self._max_body)
                delivery = await asyncio.to_thread(_verified, hook, headers, body, now)
        elif len(body) > _VERIFIED_HERE:
            delivery = await asyncio.to_thread(_verified, hook, headers, body, now)
        else:
            delivery = _verified(hook, headers, body, now)
        await self._spool.append(delivery)
        # At debug, for the relay says it again, and this line was a sixth of what a delivery costs here.
        _log.debug("accepted", delivery_id=delivery.id, hook=hook.name, bytes=len(body))
        return Answer(202, {"delivery": delivery.id})


def _coding(head: Head) -> str:
    return head.headers.get("content-encoding", "identity").lower().replace("x-gzip", "gzip")


def _verified(hook: Hook, headers: Mapping[str, str], body: bytes, now: float) -> Delivery:
    hook.forge.verify(headers, body, hook.secrets, now)
    delivery_id = _delivery_id(hook, headers, body)
    return Delivery(id=delivery_id, hook=hook.name, headers=headers, body=body, received_at=now)


def _delivery_id(hook: Hook, headers: Mapping[str, str], body: bytes) -> str:
    given = hook.forge.delivery_id(headers, body)
    if not given:
        return f"{hook.name}/{secrets.token_hex(16)}"
    if _SAFE_ID.fullmatch(given):
        return f"{hook.name}/{given}"
    # Still the same for a redelivery, but nothing that a sender wrote.
    return f"{hook.name}/sha256-{hashlib.sha256(given.encode('utf-8', 'surrogatepass')).hexdigest()}"


async def _live(_: Head, __: bytes) -> Answer:
    return Answer(200, {"status": "live"})
