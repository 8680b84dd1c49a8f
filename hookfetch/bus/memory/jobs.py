"""Jobs in-process: two bounded queues, interactive before background. It keeps nothing over a
restart: the coordinator's store repeats its jobs."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from hookfetch.bus.attempts import Backoff, attempt, letter_of
from hookfetch.bus.consumer import Consumer
from hookfetch.core.errors import Busy, Temporary
from hookfetch.core.jobs import Priority
from hookfetch.core.ports import DeadLetter, Handler, Message

log = structlog.get_logger(__name__)

Bury = Callable[[DeadLetter], Awaitable[None]]


class JobQueue:
    """At most `limit` waiting jobs of each priority, taken interactive ones first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[Priority, deque[Message]] = {"interactive": deque(), "background": deque()}
        self._changed = asyncio.Condition()

    async def put(self, priority: Priority, job: Message) -> None:
        """Add a job at the end; Busy when `limit` jobs of this priority wait."""
        if len(self._waiting[priority]) >= self._limit:
            raise Busy(f"{self._limit} {priority} jobs are waiting")
        self._waiting[priority].append(job)
        await self._notify()

    async def put_back(self, priority: Priority, job: Message) -> None:
        """Put a job that was taken before all others of its priority."""
        self._waiting[priority].appendleft(job)
        await self._notify()

    async def available(self) -> None:
        """Return once a job waits."""
        async with self._changed:
            await self._changed.wait_for(lambda: any(self._waiting.values()))

    def take(self) -> tuple[Priority, Message] | None:
        """Take the next job, or None when none waits."""
        for priority, jobs in self._waiting.items():
            if jobs:
                return priority, jobs.popleft()
        return None

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Worker(Consumer):
    """Handles jobs, at most `concurrency` at once."""

    def __init__(
        self, jobs: JobQueue, handler: Handler, concurrency: int, bury: Bury, backoff: Backoff
    ) -> None:
        super().__init__()
        self._jobs = jobs
        self._handler = handler
        self._bury = bury
        self._backoff = backoff
        self.start(concurrency)

    async def run(self) -> None:
        """Handle jobs until `stop`: one slot of the `concurrency`."""
        while not self.stop.is_set():
            await self.stop.first(self._jobs.available())
            taken = None if self.stop.is_set() else self._jobs.take()
            if taken is not None:
                await self._handle(*taken)

    async def _handle(self, priority: Priority, job: Message) -> None:
        outcome = await attempt(self._handler, job)
        if outcome.kind == "done":
            return
        if outcome.kind == "dead":
            try:
                await self._bury(letter_of(job, "jobs", outcome.reason))
            except Temporary as error:
                log.warning("job_not_buried", message_id=job.id, reason=str(error))
            else:
                return
        # The slot rests too: what is temporary for one job (a cache, a child process) mostly is
        # for the next. A job that cannot be buried stays at its last attempt until it can.
        await self.stop.pause(self._backoff.pause(job.attempt))
        again = replace(job, attempt=job.attempt + 1) if outcome.kind == "again" else job
        await self._jobs.put_back(priority, again)
