"""The engine, and a project's coordinator."""

import time
from functools import partial

from hookfetch.bootstrap.feeding import open_feeds
from hookfetch.bootstrap.sweeping import open_sweeps
from hookfetch.config import Config, ProjectConfig
from hookfetch.coordinator.answers import Answers
from hookfetch.coordinator.coordinator import Coordinator
from hookfetch.coordinator.loader import Loader
from hookfetch.core.own import OwnBranch
from hookfetch.core.policy import Policy, compiled
from hookfetch.core.ports import Bus, Engine
from hookfetch.core.state import RetryPolicy
from hookfetch.engine.supervisor import BuildStreamEngine
from hookfetch.store.database import Database
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.clone import Clone, identity_of
from hookfetch.upstreams.feed_status import FeedBoard
from hookfetch.upstreams.shared_feeds import SharedFeeds
from hookfetch.upstreams.shared_looks import SharedLooks


def engine_of(config: Config) -> BuildStreamEngine:
    """Return the engine over the configured projects; its processes start with their first work."""
    projects = {project.name: project for project in config.projects()}
    accounts = Accounts(config.upstream)
    folder = config.state_dir / "clones"
    by_repository = {
        project.repository: Clone(project.repository, folder, accounts)
        for project in config.project
        if project.repository is not None
    }
    clones = {
        name: by_repository[project.repository]
        for name, project in projects.items()
        if project.repository is not None
    }
    hosts = [upstream.host for upstream in config.upstream]
    return BuildStreamEngine(projects, config.state_dir, config.engine, clones, hosts)


def coordinator_of(
    config: Config,
    project: ProjectConfig,
    bus: Bus,
    engine: Engine,
    looks: SharedLooks,
    feeds: SharedFeeds | None,
) -> tuple[Coordinator, Answers]:
    """Return what decides for a project, and what answers questions about it."""
    database = Database(config.stores()[project.name])
    own = own_branch_of(project)
    loader = Loader(
        project=project.name,
        engine=engine,
        bus=bus,
        database=database,
        clock=time.time,
        policy=policy_of(project),
        own=own,
        fetches_ahead=own is not None and bool(project.source_cache),
        supplied_rules=project.supplied.rules(),
    )

    board = FeedBoard(config.feeds.python_index)
    ask_feeds = None
    if feeds is not None:
        ask_feeds = partial(open_feeds, config.feeds, feeds, board, loader, database)
    retry = config.retry
    coordinator = Coordinator(
        project=project.name,
        database=database,
        bus=bus,
        loader=loader,
        open_sweep=partial(open_sweeps, config.sweep, config.upstream, loader, database, looks, ask_feeds),
        retry=RetryPolicy(
            first=retry.first, most=retry.most, attempts=retry.attempts, quarantine=retry.quarantine
        ),
        patience=config.releases.patience(),
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
        feeds=board,
    )
    return coordinator, answers


def own_branch_of(project: ProjectConfig) -> OwnBranch | None:
    """Return the branch that a project is loaded from, None for a checkout."""
    if project.repository is None:
        return None
    (branch,) = project.branches
    url = project.repository
    return OwnBranch(repository=identity_of(url), url=url, ref=f"refs/heads/{branch}")


def policy_of(project: ProjectConfig) -> Policy:
    """Return a project's policy as configured."""
    return Policy(configured=compiled(rule.rule() for rule in project.policy))
