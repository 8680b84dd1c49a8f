"""The engine: warm BuildStream processes, a bounded number, each replaced when it is spent.

BuildStream itself is never imported here. Per-element order is the coordinator's business.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

import structlog

from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import CacheAway, ElementError, Permanent, Temporary, Unwanted
from hookfetch.core.jobs import Job
from hookfetch.core.ports import Clone, Finished, MayBegin, OnTracked, at_once
from hookfetch.core.sources import LoadedProject
from hookfetch.engine.messages import (
    Done,
    Load,
    Loaded,
    Mirrors,
    NotLoaded,
    Refused,
    Reply,
    Run,
    Start,
    Tracked,
    Unavailable,
)
from hookfetch.engine.process import Slot, WorkerProcess
from hookfetch.engine.version import check_buildstream

_log = structlog.get_logger(__name__)

_LEAVE_WITHIN = 5.0  # seconds a worker has to leave by itself
_CLOSE_WITHIN = 20.0  # seconds
# Processes that may be idle beside those at work, so that projects that alternate do not start one a job.
_SPARE = 2
_SLOTS = 256  # worker directories a project may have, over every engine of this state directory


class BuildStreamEngine:
    """Implements `core.ports.Engine`. At most `config.processes` workers at once, each of one project,
    started when needed; a few more stay warm. ConfigurationError when the installed BuildStream is not
    supported."""

    def __init__(
        self,
        projects: Mapping[str, ProjectConfig],
        state_dir: Path,
        config: EngineConfig,
        clones: Mapping[str, Clone] = MappingProxyType({}),
        accounts: Iterable[str] = (),
    ) -> None:
        """`clones` are those of the projects that are no checkout, `accounts` the upstream hosts that want
        one."""
        check_buildstream()
        self._projects = projects
        self._clones = clones
        self._directory = state_dir / "engine"
        self._mirrors = Mirrors(
            state_dir=str(state_dir),
            bytes=config.mirrors_bytes,
            accounts=tuple(accounts),
            patience=config.deadline / 4,  # it may be waited for twice, and then there is the job to do
        )
        self._config = config
        self._permits = asyncio.Semaphore(config.processes)
        self._idle: list[tuple[str, WorkerProcess]] = []  # the longest idle first
        self._busy: set[WorkerProcess] = set()
        self._leases = 0  # workers that are busy or about to start
        self._generations = dict.fromkeys(projects, 1)
        self._closed = False
        self._cleared = False  # of what engines left that were killed

    async def newest(self, project: str) -> str | None:
        """Return the commit that the project's branch is at now, None for a checkout."""
        self._require(project)
        clone = self._clones.get(project)
        return None if clone is None else await clone.newest(self._branch(project))

    async def load(self, project: str, revision: str | None = None) -> LoadedProject:
        """(Re)load a project, a checkout from its files as they are: here at once, and in other workers
        before their next job."""
        self._require(project)
        self._generations[project] += 1
        clone = self._clones.get(project)
        if clone is not None and revision is None:
            revision = await clone.newest(self._branch(project))
        async with self._worker(project) as worker:
            reply = await self._load(project, worker, revision)
        if isinstance(reply, Loaded):
            return reply.project
        if isinstance(reply, NotLoaded):
            raise Permanent(f"project {project} does not load: {reply.reason}")
        _fail(reply)
        return None

    async def run(self, job: Job, on_tracked: OnTracked, may_begin: MayBegin = at_once) -> Finished:
        """Do a job as `core.ports.Engine` says."""
        self._require(job.project)

        async def tracked(message: Tracked) -> None:
            await on_tracked(message.refs, message.milliseconds)

        reply: Reply | None = None
        async with self._worker(job.project) as worker:
            if worker.loaded != self._wanted(job.project, job.revision):
                loaded = await self._load(job.project, worker, job.revision)
                if isinstance(loaded, NotLoaded):
                    # Not the element's fault: it is tried again when the project has been mended.
                    raise Temporary(f"project {job.project} does not load: {loaded.reason}")
                if not isinstance(loaded, Loaded):
                    _fail(loaded)
            if await may_begin():
                worker.jobs += 1
                run = Run(
                    element=job.element,
                    track=job.track,
                    refs=job.refs,
                    expects_news=job.priority == "background",
                    cache=job.cache,
                )
                reply = await worker.ask(run, tracked)
        if reply is None:
            raise Unwanted(f"{job.element}: this attempt is not wanted any more")
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

    async def probe(self, project: str) -> None:
        """Ask the source cache as `core.ports.Engine` says, from this process."""
        self._require(project)
        await asyncio.to_thread(_probe, self._projects[project].source_cache)

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

    def _branch(self, project: str) -> str:
        (branch,) = self._projects[project].branches
        return branch

    def _wanted(self, project: str, revision: str | None) -> str:
        # A checkout has no revision: a worker that has made an older load reloads before its next job.
        return f"load {self._generations[project]}" if revision is None else revision

    async def _load(self, project: str, worker: WorkerProcess, revision: str | None) -> Reply:
        wanted = self._wanted(project, revision)
        if revision is not None:
            await self._clones[project].require(revision, self._branch(project))
        reply = await worker.ask(Load(revision=revision), _unexpected)
        if isinstance(reply, Loaded) and reply.shortcut_off is not None and not worker.loaded:
            _log.error(
                "shortcut off: git sources go BuildStream's way, slower and as right",
                project=project,
                reason=reply.shortcut_off,
            )
        worker.loaded = wanted if isinstance(reply, Loaded) else None
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
        while self._idle and len(self._idle) + self._leases > self._config.processes + _SPARE:
            _, other = self._idle.pop(0)
            await other.end(_LEAVE_WITHIN)
        if self._closed:
            raise Temporary("the engine is closed")
        settings = self._projects[project]
        start = Start(
            name=project,
            path=None if settings.path is None else str(settings.path),
            clone=None if (clone := self._clones.get(project)) is None else clone.place,
            directory="",  # the worker process is given a free one
            cache_bytes=self._config.cache_bytes,
            source_cache=settings.source_cache,
            cache_lease=self._config.cache_lease,
            options=settings.options,
            targets=settings.targets,
            shortcut=self._config.shortcut,
            mirrors=self._mirrors,
        )
        if not self._cleared:
            await asyncio.to_thread(Slot.clear_all, self._directory)
            self._cleared = True
        worker = await WorkerProcess.start(self._directory / project, _SLOTS, start, self._config.stall)
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
        raise (CacheAway if reply.cache_away else Temporary)(reply.reason)
    raise AssertionError(f"out of turn: {reply}")


async def _unexpected(message: Tracked) -> None:
    raise AssertionError(f"out of turn: {message}")


def _probe(caches: Sequence[SourceCacheConfig]) -> None:
    # BuildStream's messages come with it: a process whose cache is there does without.
    from hookfetch.cas.channel import Servers

    with Servers(caches) as servers:
        servers.probe()
