"""The engine: warm BuildStream processes, a bounded number, each replaced when it is spent.

BuildStream itself is never imported here. Per-element order is the coordinator's business.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import structlog

from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.core.errors import ElementError, Permanent, Temporary
from hookfetch.core.jobs import Job
from hookfetch.core.ports import Finished, OnTracked
from hookfetch.core.sources import LoadedProject
from hookfetch.engine.messages import (
    Done,
    Load,
    Loaded,
    NotLoaded,
    Refused,
    Reply,
    Run,
    Start,
    Tracked,
    Unavailable,
)
from hookfetch.engine.process import WorkerProcess
from hookfetch.engine.version import check_buildstream

_log = structlog.get_logger(__name__)

_LEAVE_WITHIN = 5.0  # seconds a worker has to leave by itself
_CLOSE_WITHIN = 20.0  # seconds
_SLOTS = 256  # worker directories a project may have, over every engine of this state directory


class BuildStreamEngine:
    """Implements `core.ports.Engine`. At most `config.processes` workers, each of one project,
    started when needed. ConfigurationError when the installed BuildStream is not supported."""

    def __init__(self, projects: Mapping[str, ProjectConfig], state_dir: Path, config: EngineConfig) -> None:
        check_buildstream()
        self._projects = projects
        self._directory = state_dir / "engine"
        self._config = config
        self._permits = asyncio.Semaphore(config.processes)
        self._idle: list[tuple[str, WorkerProcess]] = []  # the longest idle first
        self._busy: set[WorkerProcess] = set()
        self._leases = 0  # workers that are busy or about to start
        # Counts the loads asked for: a worker that has made an older one reloads before its next job.
        self._generations = dict.fromkeys(projects, 1)
        self._closed = False

    async def load(self, project: str) -> LoadedProject:
        """(Re)load a project from its files, here at once and in other workers before their next job."""
        self._require(project)
        self._generations[project] += 1
        async with self._worker(project) as worker:
            reply = await self._load(project, worker)
        if isinstance(reply, Loaded):
            return reply.project
        if isinstance(reply, NotLoaded):
            raise Permanent(f"project {project} does not load: {reply.reason}")
        _fail(reply)
        return None

    async def run(self, job: Job, on_tracked: OnTracked) -> Finished:
        """Do a job as `core.ports.Engine` says."""
        self._require(job.project)

        async def tracked(message: Tracked) -> None:
            await on_tracked(message.refs, message.milliseconds)

        async with self._worker(job.project) as worker:
            if worker.generation != self._generations[job.project]:
                loaded = await self._load(job.project, worker)
                if isinstance(loaded, NotLoaded):
                    # Not the element's fault: it is tried again when the project has been mended.
                    raise Temporary(f"project {job.project} does not load: {loaded.reason}")
                if not isinstance(loaded, Loaded):
                    _fail(loaded)
            worker.jobs += 1
            reply = await worker.ask(Run(element=job.element, track=job.track, refs=job.refs), tracked)
        if not isinstance(reply, Done):
            _fail(reply)
        return Finished(
            refs=reply.refs,
            cached=reply.cached,
            element_key=reply.element_key,
            source_keys=reply.source_keys,
            milliseconds=reply.milliseconds,
            descends=reply.descends,
        )

    async def close(self) -> None:
        """End every worker; jobs that are running or waiting raise Temporary.

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
                for _ in range(self._config.processes):  # once every permit is back, nobody holds a worker
                    await self._permits.acquire()
        except TimeoutError as error:
            raise Temporary("the engine's jobs do not end") from error
        for _ in range(self._config.processes):
            self._permits.release()

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the process ids of the living workers."""
        workers = [*self._busy, *(worker for _, worker in self._idle)]
        return tuple(worker.pid for worker in workers if worker.lives)

    def _require(self, project: str) -> None:
        if project not in self._projects:
            raise Permanent(f"project {project} is not configured here")

    async def _load(self, project: str, worker: WorkerProcess) -> Reply:
        generation = self._generations[project]
        reply = await worker.ask(Load(), _unexpected)
        if isinstance(reply, Loaded) and reply.shortcut_off is not None and not worker.generation:
            _log.error(
                "shortcut off: git sources go BuildStream's way, slower and as right",
                project=project,
                reason=reply.shortcut_off,
            )
        worker.generation = generation if isinstance(reply, Loaded) else 0
        return reply

    @asynccontextmanager
    async def _worker(self, project: str) -> AsyncIterator[WorkerProcess]:
        """Give a worker of `project` for one request; Temporary when the request takes too long.

        It is kept for the next one unless anything was raised: then nobody knows what it is
        in the middle of.
        """
        async with self._permits:
            self._leases += 1
            try:
                worker = await self._take(project)
                self._busy.add(worker)
                try:
                    async with self._deadline(project):
                        yield worker
                except BaseException:
                    await worker.kill()
                    raise
                finally:
                    self._busy.discard(worker)
                await self._give_back(project, worker)
            finally:
                self._leases -= 1

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

    async def _take(self, project: str) -> WorkerProcess:
        self._idle = [(name, worker) for name, worker in self._idle if worker.lives]
        mine = [index for index, (name, _) in enumerate(self._idle) if name == project]
        if mine:
            return self._idle.pop(mine[-1])[1]  # the one used last is the warmest
        while self._idle and len(self._idle) + self._leases > self._config.processes:
            _, other = self._idle.pop(0)
            await other.end(_LEAVE_WITHIN)
        if self._closed:
            raise Temporary("the engine is closed")
        settings = self._projects[project]
        start = Start(
            name=project,
            path=str(settings.path),
            directory="",  # the worker process is given a free one
            source_cache=settings.source_cache,
            options=settings.options,
            targets=settings.targets,
            shortcut=self._config.shortcut,
        )
        worker = await WorkerProcess.start(self._directory / project, _SLOTS, start)
        if self._closed:  # in the meantime
            await worker.kill()
            raise Temporary("the engine is closed")
        return worker

    async def _give_back(self, project: str, worker: WorkerProcess) -> None:
        if self._closed or worker.spent or worker.jobs >= self._config.recycle_after:
            await worker.end(_LEAVE_WITHIN)
        else:
            self._idle.append((project, worker))


def _fail(reply: Reply) -> NoReturn:
    if isinstance(reply, Refused):
        raise ElementError(reply.reason)
    if isinstance(reply, Unavailable):
        raise Temporary(reply.reason)
    raise AssertionError(f"out of turn: {reply}")


async def _unexpected(message: Tracked) -> None:
    raise AssertionError(f"out of turn: {message}")
