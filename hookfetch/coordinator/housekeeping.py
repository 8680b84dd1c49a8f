"""Keeps the store bounded, and takes back jobs that no worker finished."""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from hookfetch.core.errors import Replaced, Temporary
from hookfetch.store import jobs, log, story
from hookfetch.store.database import Database

_log = structlog.get_logger(__name__)

_INTERVAL = 60.0
KEPT_ENTRIES = 100_000
KEPT_JOBS = 100_000
KEPT_EVENTS_SECONDS = 30 * 86400.0  # ten times as long as any forge redelivers


async def keep_house(
    database: Database, lease: float, clock: Callable[[], float], wake: Callable[[], None]
) -> None:
    """Once a minute, for ever: take back jobs handed out more than `lease` seconds ago and
    `wake` the outbox, drop what is older than is kept."""
    while True:
        await asyncio.sleep(_INTERVAL)
        now = clock()
        try:
            late = await database.run(
                partial(
                    jobs.take_back, handed_out_before=now - lease, now=now, reason="no worker finished it"
                )
            )
            await database.run(
                partial(log.compact, keep=KEPT_ENTRIES, events_before=now - KEPT_EVENTS_SECONDS)
            )
            await database.run(partial(story.compact, keep=KEPT_JOBS, ended_before=now - KEPT_EVENTS_SECONDS))
        except Replaced:
            raise
        except Temporary as error:
            _log.warning("housekeeping waits", reason=str(error))
            continue
        if late:
            _log.warning("jobs taken back", count=late)
            wake()
