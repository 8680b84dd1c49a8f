"""The engine, and a project's coordinator with its sweep."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from hookfetch.config import Config, ProjectConfig, SweepConfig
from hookfetch.coordinator.answers import Answers
from hookfetch.coordinator.coordinator import Coordinator
from hookfetch.coordinator.loader import Loader
from hookfetch.core.globs import Glob
from hookfetch.core.policy import ElementPolicy, Policy
from hookfetch.core.ports import Bus, Engine
from hookfetch.core.state import RetryPolicy
from hookfetch.engine.supervisor import BuildStreamEngine
from hookfetch.store.database import Database
from hookfetch.store.observed import ObservedRefs
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.asking import Asking
from hookfetch.upstreams.hosts import Hosts
from hookfetch.upstreams.sweep import Accept, Sweep


def engine_of(config: Config) -> BuildStreamEngine:
    """Return the engine over the configured projects; its processes start with their first work."""
    projects = {project.name: project for project in config.project}
    return BuildStreamEngine(projects, config.state_dir, config.engine)


def coordinator_of(
    config: Config, project: ProjectConfig, bus: Bus, engine: Engine, hosts: Hosts
) -> tuple[Coordinator, Answers]:
    """Return what decides for a project, and what answers questions about it."""
    database = Database(config.stores()[project.name])
    loader = Loader(project=project.name, engine=engine, bus=bus, database=database, clock=time.time)

    @asynccontextmanager
    async def open_sweep(accept: Accept) -> AsyncIterator[Sweep]:
        known = ObservedRefs(database, time.time)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            sweep = Sweep(
                index=lambda: loader.index,
                known=known,
                accept=accept,
                hosts=hosts,
                ask=Asking(session, Accounts(config.upstream), config.sweep.timeout).refs,
                least=config.sweep.interval_least,
                most=config.sweep.interval_most,
                clock=time.time,
            )
            try:
                yield sweep
            finally:
                await sweep.close()

    retry = config.retry
    coordinator = Coordinator(
        project=project.name,
        database=database,
        bus=bus,
        loader=loader,
        open_sweep=open_sweep,
        retry=RetryPolicy(
            first=retry.first, most=retry.most, attempts=retry.attempts, quarantine=retry.quarantine
        ),
        policy=policy_of(project),
        lease=2 * config.engine.deadline,
        clock=time.time,
    )
    answers = Answers(
        project=project.name,
        database=database,
        bus=bus,
        loader=loader,
        epoch=lambda: coordinator.epoch,
        clock=time.time,
    )
    return coordinator, answers


def hosts_of(config: SweepConfig) -> Hosts:
    """Return what paces all questions of this process, whichever project asks."""
    return Hosts(at_once=config.concurrency, per_host=config.per_host, rate=config.rate, clock=time.monotonic)


def policy_of(project: ProjectConfig) -> Policy:
    """Return a project's policy as configured."""
    return Policy(
        [
            (
                [Glob(text) for text in rule.elements],
                ElementPolicy(
                    debounce=rule.debounce,
                    minimum_interval=rule.minimum_interval,
                    rewritten_branch=rule.rewritten_branch,
                    moved_tag=rule.moved_tag,
                ),
            )
            for rule in project.policy
        ]
    )
