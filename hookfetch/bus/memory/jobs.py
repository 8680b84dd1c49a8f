"""Jobs in-process: two bounded queues, interactive before background, fair between projects. It keeps
nothing over a restart: the coordinator's store repeats its jobs."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import structlog

from hookfetch.bus.attempts import Backoff, attempt, letter_of
from hookfetch.bus.consumer import Consumer
from hookfetch.core.errors import Busy, Temporary
from hookfetch.core.jobs import Priority
from hookfetch.core.ports import DeadLetter, Handler, Message
from hookfetch.core.turns import Turn, next_project

log = structlog.get_logger(__name__)

Bury = Callable[[DeadLetter], Awaitable[None]]


class JobQueue:
    """At most `limit` waiting jobs of each priority, taken interactive ones first, a project's in order."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._waiting: dict[Priority, dict[str, deque[Message]]] = {"interactive": {}, "background": {}}
        self._busy: Counter[str] = Counter()  # slots by the project whose job they handle
        self._taken: dict[str, float] = {}
        self._changed = asyncio.Condition()

    async def put(self, project: str, priority: Priority, job: Message) -> None:
        """Add a job at the end; Busy when `limit` jobs of this priority wait."""
        if sum(map(len, self._waiting[priority].values())) >= self._limit:
            raise Busy(f"{self._limit} {priority} jobs are waiting")
        self._waiting[priority].setdefault(project, deque()).append(job)
        await self._notify()

    async def put_back(self, taken: "Taken", job: Message) -> None:
        """Put a job that was taken before all others of its project and priority."""
        self._waiting[taken.priority].setdefault(taken.project, deque()).appendleft(job)
        await self._notify()

    async def available(self) -> None:
        """Return once a job waits."""
        async with self._changed:
            await self._changed.wait_for(lambda: any(self._waiting.values()))

    @contextmanager
    def take(self, turn: Turn) -> Iterator["Taken | None"]:
        """Give the slot with this `turn` its next job, or None when none waits; it is on the job until the
        `with` block ends."""
        taken = self._take(turn)
        if taken is None:
            yield None
            return
        self._busy[taken.project] += 1
        try:
            yield taken
        finally:
            self._busy[taken.project] -= 1

    def _take(self, turn: Turn) -> "Taken | None":
        for priority, projects in self._waiting.items():
            if projects:
                now = self._clock()
                project = next_project(projects, turn, self._busy, self._taken, now)
                turn.take(project, now)
                self._taken[project] = now
                job = projects[project].popleft()
                if not projects[project]:
                    del projects[project]
                return Taken(project, priority, job)
        return None

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Taken(NamedTuple):
    """A job, and where it waited."""

    project: str
    priority: Priority
    job: Message


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
        turn = Turn()
        while not self.stop.is_set():
            await self.stop.first(self._jobs.available())
            if self.stop.is_set():
                return
            with self._jobs.take(turn) as taken:
                if taken is not None:
                    await self._handle(taken)

    async def _handle(self, taken: Taken) -> None:
        job = taken.job
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
        await self._jobs.put_back(taken, again)
