"""The engine's processes: at most so many at work, each of one project, a few more warm; each replaced when
it is spent. What they are asked is the supervisor's.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from hookfetch.config import EngineConfig
from hookfetch.core.errors import Temporary
from hookfetch.engine.messages import LookAhead, Start
from hookfetch.engine.process import Slot, WorkerProcess
from hookfetch.engine.turns import Turns

_LEAVE_WITHIN = 5.0  # seconds a worker has to leave by itself
_CLOSE_WITHIN = 20.0  # seconds
# Processes that may be idle beside those at work, so that projects that alternate do not start one a job.
_SPARE = 2
_LOOKS = 4  # jobs that wait for one process, which looks at their upstreams meanwhile
_TURN_WITHIN = 240.0  # seconds: who waits longer lets another worker try, before a broker takes the job back
_SLOTS = 256  # worker directories a project may have, over every engine of this state directory


def in_flight(config: EngineConfig) -> int:
    """Return how many jobs an engine can use at once: those at work, and those it looks ahead for."""
    return config.processes * (1 + _LOOKS)


@dataclass(frozen=True, slots=True)
class Look:
    """A look for a job that waits, by a process that knows it by its `number`."""

    worker: WorkerProcess
    number: int

    def begin(self, element: str) -> None:
        """Have the process look at the upstreams of `element`."""
        if self.worker.lives:
            self.worker.look_ahead(LookAhead(number=self.number, element=element))

    def waits_no_more(self) -> None:
        """Let the process look for another job in the place of this one, which runs now or has left."""
        self.worker.looks.discard(self.number)


class Pool:
    """Processes below `directory`; `start_of` says what one of a project is started with."""

    def __init__(self, directory: Path, config: EngineConfig, start_of: Callable[[str], Start]) -> None:
        self._directory = directory
        self._config = config
        self._start_of = start_of
        self._turns = Turns(config.processes, time.monotonic)
        self._idle: list[tuple[str, WorkerProcess]] = []  # the longest idle first
        self._busy: dict[WorkerProcess, str] = {}  # and whose
        self._numbers = count(1)  # of looks
        self._closed = False
        self._cleared = False  # of what engines left that were killed

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the process ids of the living workers."""
        workers = [*self._busy, *(worker for _, worker in self._idle)]
        return tuple(worker.pid for worker in workers if worker.lives)

    def looker(self, project: str, loaded: str) -> WorkerProcess | None:
        """Return a process at work on `project` that can look ahead for a job of what it has `loaded`; None
        where there is none, or where the job need not wait."""
        if not self._turns.all_taken:
            return None
        ready = [
            worker
            for worker, whose in self._busy.items()
            if whose == project and worker.loaded == loaded and len(worker.looks) < _LOOKS and worker.lives
        ]
        return min(ready, key=lambda worker: len(worker.looks), default=None)

    def look_by(self, worker: WorkerProcess) -> Look:
        """Return a look by `worker` that has yet to begin, one of its `looks` until its job waits no more."""
        look = Look(worker, next(self._numbers))
        worker.looks.add(look.number)
        return look

    def arrive(self) -> int:
        """Return the number by which a job that will ask for a `worker` keeps its place in the line."""
        return self._turns.arrive()

    @asynccontextmanager
    async def worker(
        self, project: str, *, urgent: bool, at: WorkerProcess | None = None, arrived: int | None = None
    ) -> AsyncIterator[WorkerProcess]:
        """Give a worker of `project` for one request, rather `at` than another; Temporary when none comes
        free in time, and when the request takes too long.

        It is kept for the next one unless anything was raised: then nobody knows what it is
        in the middle of.
        """
        try:
            async with asyncio.timeout(_TURN_WITHIN):
                place = await self._turns.take(project, urgent=urgent, at=at, arrived=arrived)
        except TimeoutError as error:
            raise Temporary(f"no process came free within {_TURN_WITHIN:g} s: {project}") from error
        free: WorkerProcess | None = None
        try:
            worker = await self._take(project, at)
            self._busy[worker] = project
            try:
                async with self._deadline(project):
                    yield worker
            except BaseException:
                await worker.kill()
                raise
            finally:
                del self._busy[worker]
            free = await self._give_back(project, worker)
        finally:
            self._turns.give(place, free)

    async def close(self) -> None:
        """End every worker; who has one, or waits for one, has Temporary raised.

        Temporary when something of a worker does not go away.
        """
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(
            *(worker.end(_LEAVE_WITHIN) for _, worker in idle),
            *(worker.kill() for worker in self._busy),
        )
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._turns.quiet()
        except TimeoutError as error:
            raise Temporary("the engine's jobs do not end") from error

    @asynccontextmanager
    async def _deadline(self, project: str) -> AsyncIterator[None]:
        scope = asyncio.timeout(self._config.deadline)
        try:
            async with scope:
                yield
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise Temporary(f"no answer within {self._config.deadline:g} s: {project}") from error

    async def _take(self, project: str, at: WorkerProcess | None) -> WorkerProcess:
        self._idle = [(name, worker) for name, worker in self._idle if worker.lives]
        mine = [index for index, (name, _) in enumerate(self._idle) if name == project]
        if mine:  # the one used last is the warmest
            there = [index for index in mine if self._idle[index][1] is at]
            return self._idle.pop((there or mine)[-1])[1]
        while self._idle and len(self._idle) + self._turns.taken > self._config.processes + _SPARE:
            _, other = self._idle.pop(0)
            await other.end(_LEAVE_WITHIN)
        if self._closed:
            raise Temporary("the engine is closed")
        if not self._cleared:
            await asyncio.to_thread(Slot.clear_all, self._directory)
            self._cleared = True
        start = self._start_of(project)
        worker = await WorkerProcess.start(self._directory / project, _SLOTS, start, self._config.stall)
        if self._closed:  # in the meantime
            await worker.kill()
            raise Temporary("the engine is closed")
        return worker

    async def _give_back(self, project: str, worker: WorkerProcess) -> WorkerProcess | None:
        if self._closed or worker.spent or worker.jobs >= self._config.recycle_after:
            await worker.end(_LEAVE_WITHIN)
            return None
        self._idle.append((project, worker))
        return worker
