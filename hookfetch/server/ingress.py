"""The door: `POST /hooks/<hook>` is verified as raw bytes, made durable, and answered 202.

It parses no payload and knows no repository. Before the signature is checked a sender is
owed nothing and gets little: bounded bytes, bounded time, a bare status. After it, the
answer is 202 once the delivery is durable, or 503 with Retry-After; never a 4xx, which
would make a forge switch the hook off, and never a trace of what went wrong here.
"""

import functools
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from aiohttp import web

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Busy, Rejected
from hookfetch.core.ports import Forge
from hookfetch.server.request_parts import Refused, RequestBodies, header_mapping

RETRY_AFTER = 10  # seconds

# What a delivery id may look like as it is: no `/` and no `#`, which join it to hook and ordinal.
_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_LOGGED_PATH = 64  # characters of a path that nobody configured

_log = structlog.get_logger(__name__)

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A configured registration: who sends to `/hooks/<name>`, and what may have signed it."""

    name: str
    forge: Forge
    secrets: tuple[str, ...] = field(repr=False)


class DeliveryStore(Protocol):
    """The part of a spool that the door needs."""

    async def append(self, delivery: Delivery) -> None:
        """Return once `delivery` is durable; Busy when it was not accepted."""

    async def check(self) -> None:
        """Return if a delivery could be stored now; Busy otherwise."""


def ingress_app(
    hooks: Mapping[str, Hook], spool: DeliveryStore, clock: Clock, max_body: int
) -> web.Application:
    """Return the application that receives for `hooks` (by name) into `spool`.

    `clock` gives Unix seconds; `max_body` is in bytes. `GET /live` answers 200 while the
    process answers at all, `GET /ready` only while a delivery could be stored.
    """
    door = _Door(spool, clock, max_body)
    app = web.Application(client_max_size=max_body)
    # Plain paths and no middleware: aiohttp is most of what a delivery costs here.
    for hook in hooks.values():
        app.router.add_post(f"/hooks/{hook.name}", functools.partial(door.receive, hook))
        app.router.add_route("*", f"/hooks/{hook.name}", _only_post)
    app.router.add_get("/live", _live)
    app.router.add_get("/ready", door.ready)
    app.router.add_route("*", "/{path:.*}", _not_found)
    return app


class _Door:
    def __init__(self, spool: DeliveryStore, clock: Clock, max_body: int) -> None:
        self._spool = spool
        self._clock = clock
        self._bodies = RequestBodies(max_body)

    async def receive(self, hook: Hook, request: web.Request) -> web.Response:
        try:
            return await self._accept(hook, request)
        except Rejected as rejected:
            _log.info("refused", hook=hook.name, code=rejected.code, reason=rejected.reason)
            return _refusal(Refused(401, rejected.code))
        except Refused as refused:
            _log.info("refused", hook=hook.name, code=refused.code)
            return _refusal(refused)
        except Busy as busy:
            _log.warning("refused", hook=hook.name, code="busy", reason=str(busy))
            return _refusal(Refused(503, "busy"))
        except Exception:  # noqa: BLE001 (logged; the sender is told to come back, and nothing else)
            _log.exception("refused", hook=hook.name, code="unavailable")
            return _refusal(Refused(503, "unavailable"))

    async def ready(self, _: web.Request) -> web.Response:
        try:
            await self._spool.check()
        except Busy as busy:
            _log.warning("not_ready", reason=str(busy))
            return _refusal(Refused(503, "busy"))
        except Exception:  # noqa: BLE001 (logged; what cannot be asked cannot store)
            _log.exception("not_ready")
            return _refusal(Refused(503, "unavailable"))
        return _json(200, {"status": "ready"})

    async def _accept(self, hook: Hook, request: web.Request) -> web.Response:
        headers = header_mapping(request.headers)
        body = await self._bodies.read(request)
        try:
            now = self._clock()
            hook.forge.verify(headers, body, hook.secrets, now)
            delivery = Delivery(
                id=_delivery_id(hook, headers), hook=hook.name, headers=headers, body=body, received_at=now
            )
            await self._spool.append(delivery)
        finally:
            self._bodies.release(body)
        # At debug, for the relay says it again, and this line was a sixth of what a delivery costs here.
        _log.debug("accepted", delivery_id=delivery.id, hook=hook.name, bytes=len(body))
        return _json(202, {"delivery": delivery.id})


def _delivery_id(hook: Hook, headers: Mapping[str, str]) -> str:
    given = hook.forge.delivery_id(headers)
    if not given:
        return f"{hook.name}/{secrets.token_hex(16)}"
    if _SAFE_ID.fullmatch(given):
        return f"{hook.name}/{given}"
    # Still the same for a redelivery, but nothing that a sender wrote.
    return f"{hook.name}/sha256-{hashlib.sha256(given.encode('utf-8', 'surrogatepass')).hexdigest()}"


async def _live(_: web.Request) -> web.Response:
    return _json(200, {"status": "live"})


async def _only_post(_: web.Request) -> web.Response:
    response = _refusal(Refused(405, "method_not_allowed"))
    response.headers["Allow"] = "POST"
    return response


async def _not_found(request: web.Request) -> web.Response:
    _log.info("refused", path=request.path[:_LOGGED_PATH], code="not_found")
    return _refusal(Refused(404, "not_found"))


def _refusal(refused: Refused) -> web.Response:
    response = _json(refused.status, {"error": refused.code})
    if refused.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    if refused.closes:
        response.force_close()
    return response


def _json(status: int, content: Mapping[str, str]) -> web.Response:
    # aiohttp names itself, its version and Python's where this header is missing.
    headers = {"Server": "-", "Content-Type": "application/json"}
    return web.Response(status=status, body=json.dumps(content).encode("ascii"), headers=headers)
