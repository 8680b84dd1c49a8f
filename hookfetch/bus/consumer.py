"""What every consumer of either bus has in common: it runs until it is told to end, and ends
between messages. It knows no messages."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Stop:
    """A consumer's wish to end, which cuts its waits short but never a running handler."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """End every wait, now and later."""
        self._event.set()

    def is_set(self) -> bool:
        """Return whether the consumer is to end."""
        return self._event.is_set()

    async def pause(self, seconds: float) -> None:
        """Return after `seconds`, or as soon as the consumer is to end."""
        await self.first(asyncio.sleep(seconds))

    async def first(self, awaitable: Awaitable[T]) -> T | None:
        """Return what `awaitable` gives, or None once the consumer is to end (it is then cancelled)."""
        wanted = asyncio.ensure_future(awaitable)
        ended = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait({wanted, ended}, return_when=asyncio.FIRST_COMPLETED)
            return wanted.result() if wanted.done() else None
        finally:
            wanted.cancel()
            ended.cancel()
            await asyncio.wait({wanted, ended})


class Consumer(ABC):
    """A `Subscription` that consists of tasks."""

    def __init__(self) -> None:
        self.stop = Stop()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ended(self) -> bool:
        """Return whether `cancel` was called."""
        return self.stop.is_set()

    def start(self, tasks: int = 1) -> None:
        """Run `tasks` times side by side."""
        self._tasks = [asyncio.create_task(self.run()) for _ in range(tasks)]

    async def cancel(self) -> None:
        """Finish what is being handled and take no more; what was taken beside it goes back.

        Who stops waiting for this does not end the handler.
        """
        self.stop.set()
        await asyncio.shield(asyncio.gather(*self._tasks))

    @abstractmethod
    async def run(self) -> None:
        """Consume until `stop`."""


class Consumers:
    """The consumers that a bus has to end when it closes."""

    def __init__(self) -> None:
        self._running: list[Consumer] = []

    def add(self, consumer: Consumer) -> None:
        """Remember a consumer until it has ended."""
        self._running = [known for known in self._running if not known.ended]
        self._running.append(consumer)

    async def cancel(self) -> None:
        """End all of them at once; running handlers are waited for."""
        running, self._running = self._running, []
        await asyncio.gather(*(consumer.cancel() for consumer in running))
