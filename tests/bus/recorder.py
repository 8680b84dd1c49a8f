"""Handlers that remember, and waiting with a deadline."""

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable

from hookfetch.core.errors import Temporary
from hookfetch.core.ports import Bus, DeadLetter, Message

_DEADLINE = 20.0  # seconds


def unique(name: str) -> str:
    """Return a name that no other test uses."""
    return f"{name}-{uuid.uuid4().hex[:10]}"


def message(text: str) -> Message:
    return Message(id=text, body=f"body of {text}".encode())


async def until(condition: Callable[[], bool], within: float = _DEADLINE) -> None:
    """Return once `condition` holds; fail after `within` seconds."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


async def in_the_end(call: Callable[[], Awaitable[None]]) -> None:
    """Do what every sender does: call again until it is not Temporary."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await call()
            except Temporary:
                await asyncio.sleep(0.1)


async def until_letters(bus: Bus, count: int) -> None:
    """Return once `bus` holds `count` dead letters."""
    async with asyncio.timeout(_DEADLINE):
        while len(await bus.dead_letters()) < count:
            await asyncio.sleep(0.01)


class Recorder:
    """A handler that remembers what it was given, and raises what it is told to.

    `failures` maps a message's id to the errors that its first attempts raise, in order.
    """

    def __init__(self, failures: dict[str, list[Exception]] | None = None, seconds: float = 0.0) -> None:
        self.messages: list[Message] = []
        self.handled: list[str] = []
        self.running = 0
        self.most_running = 0
        self._failures = failures or {}
        self._seconds = seconds

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self.running -= 1
        errors = self._failures.get(message.id)
        if errors:
            raise errors.pop(0)
        self.handled.append(message.id)

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.messages]

    def attempts(self, message_id: str) -> list[int]:
        return [message.attempt for message in self.messages if message.id == message_id]


class Activations:
    """An `on_active` that counts, and raises what it is told to first."""

    def __init__(self, failures: list[Exception] | None = None) -> None:
        self.count = 0
        self._failures = failures or []

    async def __call__(self) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.count += 1


_clock = itertools.count(1000)


def letter(name: str, body: bytes = b"{}", origin: str = "delivery") -> DeadLetter:
    """Return a dead letter that failed later than those made before it."""
    return DeadLetter(
        id=name, origin=origin, reason="no parser", attempts=1, failed_at=float(next(_clock)), body=body
    )
