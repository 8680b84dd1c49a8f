"""Keeps the store bounded, takes back jobs that no worker finished, and tells what hooks missed."""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from hookfetch.core.errors import Replaced, Temporary
from hookfetch.store import hooked, jobs, log, recipes, story
from hookfetch.store.database import Database

_log = structlog.get_logger(__name__)

_INTERVAL = 60.0
KEPT_ENTRIES = 100_000
KEPT_JOBS = 100_000
KEPT_TOLD = 100_000
KEPT_RECIPES = 100_000
KEPT_EVENTS_SECONDS = 30 * 86400.0  # ten times as long as any forge redelivers


async def keep_house(
    database: Database, lease: float, clock: Callable[[], float], wake: Callable[[], None]
) -> None:
    """Once a minute, for ever: take back jobs handed out more than `lease` seconds ago and
    `wake` the outbox, tell what hooks missed, drop what is older than is kept."""
    while True:
        await asyncio.sleep(_INTERVAL)
        now = clock()
        try:
            late = await database.run(
                partial(
                    jobs.take_back, handed_out_before=now - lease, now=now, reason="no worker finished it"
                )
            )
            await tell_missed(database, now)
            await database.run(
                partial(log.compact, keep=KEPT_ENTRIES, events_before=now - KEPT_EVENTS_SECONDS)
            )
            await database.run(partial(hooked.compact, keep=KEPT_TOLD, told_before=now - KEPT_EVENTS_SECONDS))
            await database.run(partial(story.compact, keep=KEPT_JOBS, ended_before=now - KEPT_EVENTS_SECONDS))
            await database.run(partial(recipes.compact, keep=KEPT_RECIPES))
        except Replaced:
            raise
        except Temporary as error:
            _log.warning("housekeeping waits", reason=str(error))
            continue
        if late:
            _log.warning("jobs taken back", count=late)
            wake()


async def tell_missed(database: Database, now: float) -> None:
    """Count and log what the sweep found in hooked repositories and no delivery told of in time."""
    for each in await database.run(partial(hooked.count_missed, now=now)):
        _log.warning(
            "missed_by_hook",
            repository=each.repository,
            ref=each.ref,
            target=each.target,
            found_at=each.found_at,
        )
