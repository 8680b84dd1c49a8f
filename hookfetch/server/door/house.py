"""What all connections of a door share: its limits, who is inside, and the memory that bodies take."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

from hookfetch.server.door.answer import Answer, Refused
from hookfetch.server.door.request import Head, HeadLimits
from hookfetch.server.door.senders import Address, Crowd, Network, client_of, is_in

if TYPE_CHECKING:
    from hookfetch.server.door.connection import Connection

# Bytes of bodies in memory at once: at least this much, and room for so many of the largest.
HELD_BYTES = 64 * 1024 * 1024
HELD_LARGEST = 8
# Connections over the limit that are still told so; the next are cut off without a word.
TOLD = 64
# Seconds in which connections that are turned away share one line of log.
_LOG_EVERY = 1.0

_log = structlog.get_logger(__name__)

Reply = Callable[[Head, bytes], Awaitable[Answer]]


class Application(Protocol):
    """What stands behind the door."""

    def route(self, head: Head, sender: Address) -> Reply:
        """Return who answers, before the body is read; Refused when nobody does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a sender may ask of the door; times in seconds, sizes in bytes.

    `per_address` bounds connections, and requests through `trusted_proxies`. Without
    `allow_from` every network may send.
    """

    head: HeadLimits = field(default_factory=HeadLimits)
    max_body: int = 25 * 1024 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    idle_seconds: float = 75.0
    connections: int = 800
    per_address: int = 256
    trusted_proxies: tuple[Network, ...] = ()
    allow_from: tuple[Network, ...] = ()


class House:
    """Lets connections and requests in and counts them; `stopping` once no more are wanted."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self.application = application
        self.limits = limits
        self.stopping = False
        self.connections: set[Connection] = set()
        self._inside = 0
        self._crowd = Crowd(limits.per_address)
        self._room = max(HELD_BYTES, HELD_LARGEST * limits.max_body)
        self._turned_away = 0
        self._logged_at = 0.0

    @property
    def is_overrun(self) -> bool:
        """Return whether so many are at the door that not even a refusal is owed."""
        return len(self.connections) >= self.limits.connections + TOLD

    def enter(self, peer: Address) -> None:
        """Count a connection in; Refused: 403 its network may not, 429 too many of it, 503 too many."""
        try:
            self._admit(peer)
        except Refused as refused:
            self._note(refused, peer)
            raise
        self._inside += 1

    def leave(self, peer: Address) -> None:
        """Count out a connection that was let in."""
        self._inside -= 1
        if not is_in(peer, self.limits.trusted_proxies):
            self._crowd.leave(peer)

    def enter_request(self, peer: Address, head: Head) -> Address:
        """Return who sent a request that came from `peer`, and count it in where a proxy passed it on.

        Refused: 403 its network may not, 429 too many of it.
        """
        if not is_in(peer, self.limits.trusted_proxies):
            return peer
        sender = client_of(peer, head.headers.get("x-forwarded-for", ""), self.limits.trusted_proxies)
        self._check_network(sender)
        if sender != peer and not self._crowd.enter(sender):
            raise Refused(429, "too_many", closes=True)
        return sender

    def leave_request(self, peer: Address, sender: Address) -> None:
        """Count out a request that was let in."""
        if sender != peer:
            self._crowd.leave(sender)

    def hold(self, size: int) -> None:
        """Count bytes of a body as in memory; Refused (503), and not counted, when there is no room."""
        if size > self._room:
            raise Refused(503, "busy", closes=True)
        self._room -= size

    def release(self, size: int) -> None:
        """Count bytes of a body as free again."""
        self._room += size

    def _admit(self, peer: Address) -> None:
        proxied = is_in(peer, self.limits.trusted_proxies)
        if not proxied:
            self._check_network(peer)
        if self._inside >= self.limits.connections:
            raise Refused(503, "busy", closes=True)
        if not proxied and not self._crowd.enter(peer):
            raise Refused(429, "too_many", closes=True)

    def _check_network(self, address: Address) -> None:
        if self.limits.allow_from and not is_in(address, self.limits.allow_from):
            raise Refused(403, "network", closes=True)

    def _note(self, refused: Refused, peer: Address) -> None:
        self._turned_away += 1
        if time.monotonic() >= self._logged_at + _LOG_EVERY:
            self._logged_at = time.monotonic()
            _log.warning("turned_away", code=refused.code, sender=str(peer), connections=self._turned_away)
            self._turned_away = 0
