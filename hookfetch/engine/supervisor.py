"""The engine: jobs and loads in, requests to warm BuildStream processes out.

BuildStream itself is never imported here. Per-element order is the coordinator's business.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
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
    LOOKED_AT,
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
from hookfetch.engine.pool import Look, Pool
from hookfetch.engine.process import WorkerProcess
from hookfetch.engine.supplied_bounds import within_bounds
from hookfetch.engine.version import check_buildstream

_log = structlog.get_logger(__name__)


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
        self._mirrors = Mirrors(
            state_dir=str(state_dir),
            bytes=config.mirrors_bytes,
            archive_bytes=config.archive_bytes,
            accounts=tuple(accounts),
            patience=config.deadline / 4,  # it may be waited for twice, and then there is the job to do
        )
        self._config = config
        self._pool = Pool(state_dir / "engine", config, self._start_of)
        self._generations = dict.fromkeys(projects, 1)
        self._looked_at: dict[str, frozenset[str]] = {}  # elements whose upstreams can be looked at ahead

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
        async with self._pool.worker(project, urgent=True) as worker:
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
        arrived = self._pool.arrive()  # before it is asked whether it may begin: some answers take longer
        async with self._looking_ahead(job, may_begin) as look, self._turn(job, look, arrived) as worker:
            if look is not None:
                look.waits_no_more()
            if worker.loaded != self._wanted(job.project, job.revision):
                loaded = await self._load(job.project, worker, job.revision)
                if isinstance(loaded, NotLoaded):
                    # Not the element's fault: it is tried again when the project has been mended.
                    raise Temporary(f"project {job.project} does not load: {loaded.reason}")
                if not isinstance(loaded, Loaded):
                    _fail(loaded)
            if look is not None or await may_begin():
                worker.jobs += 1
                run = Run(
                    element=job.element,
                    track=job.track,
                    refs=job.refs,
                    cache=job.cache,
                    tells_directories=job.tells_directories,
                    looked=look.number if look is not None and look.worker is worker else None,
                    supplied=job.supplied,
                    move=job.move,
                )
                ask = partial(worker.ask, run, tracked)
                if job.supplied:
                    most, seconds = self._config.supplied_bytes, self._config.supplied_deadline
                    reply = await within_bounds(ask, worker.disk, most, seconds)
                else:
                    reply = await ask()
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
            element_directory=reply.element_directory,
            source_directories=reply.source_directories,
            upgrade=reply.upgrade,
            unmoved=reply.unmoved,
        )

    async def probe(self, project: str) -> None:
        """Ask the source cache as `core.ports.Engine` says, from this process."""
        self._require(project)
        await asyncio.to_thread(_probe, self._projects[project].source_cache)

    async def close(self) -> None:
        """End every worker; jobs that are running or waiting raise Temporary.

        Temporary when something of a worker does not go away.
        """
        await self._pool.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the process ids of the living workers."""
        return self._pool.pids

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
                "shortcut off: sources go BuildStream's way, slower and as right",
                project=project,
                reason=reply.shortcut_off,
            )
        worker.loaded = wanted if isinstance(reply, Loaded) else None
        if isinstance(reply, Loaded):
            self._looked_at[project] = _looked_at(reply.project)
        return reply

    @asynccontextmanager
    async def _looking_ahead(self, job: Job, may_begin: MayBegin) -> AsyncIterator[Look | None]:
        """Have the upstream looked at while `job` waits for a process; None where it need not wait, or none
        can look. Unwanted when it may not begin."""
        worker = self._pool.looker(job.project, self._wanted(job.project, job.revision))
        known = self._looked_at.get(job.project, frozenset())
        if worker is None or not job.track or job.element not in known:
            yield None
            return
        look = self._pool.look_by(worker)
        try:
            if not await may_begin():
                raise Unwanted(f"{job.element}: this attempt is not wanted any more")
            look.begin(job.element)
            yield look
        finally:
            look.waits_no_more()

    def _turn(self, job: Job, look: Look | None, arrived: int) -> AbstractAsyncContextManager[WorkerProcess]:
        at = None if look is None else look.worker
        return self._pool.worker(job.project, urgent=job.priority == "interactive", at=at, arrived=arrived)

    def _start_of(self, project: str) -> Start:
        settings = self._projects[project]
        clone = self._clones.get(project)
        return Start(
            name=project,
            path=None if settings.path is None else str(settings.path),
            clone=None if clone is None else clone.place,
            directory="",  # the worker process is given a free one
            cache_bytes=self._config.cache_bytes,
            source_cache=settings.source_cache,
            cache_lease=self._config.cache_lease,
            options=settings.options,
            targets=settings.targets,
            shortcut=self._config.shortcut,
            mirrors=self._mirrors,
            supplied=settings.supplied.rules(),
        )


def _looked_at(project: LoadedProject) -> frozenset[str]:
    return frozenset(
        element.name
        for element in project.elements
        if any(source.kind in LOOKED_AT for source in element.sources)
    )


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
