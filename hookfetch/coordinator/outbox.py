"""Publishes what the store holds: due jobs to the workers, new entries to the log. What a crash
leaves unpublished is published by the next start; ids make repeats harmless.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import structlog

from hookfetch.coordinator.loader import Loader
from hookfetch.core.codec import dump_job, dump_record, load_record
from hookfetch.core.entries import PauseChanged
from hookfetch.core.errors import Replaced, Temporary
from hookfetch.core.jobs import CacheUse, Job, basis, starting_refs
from hookfetch.core.ports import Bus, Message
from hookfetch.core.recipes import key_of
from hookfetch.store import handed, jobs, log, outage, pause, recipes, refs, story
from hookfetch.store.database import Database

_log = structlog.get_logger(__name__)

# Of each priority. What more is due stays in the store, where interactive work overtakes it and one
# project's thousand jobs are in no other's way; workers ask for more as they begin.
MOST_OUTSTANDING = 64
MOST_QUEUED = 16  # of those, on their way to a worker
_ENTRIES_AT_ONCE = 256
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_LONGEST_IDLE = 60.0


class Outbox:
    """Runs beside the coordinator; `wake` it when something was stored."""

    def __init__(
        self,
        *,
        project: str,
        database: Database,
        bus: Bus,
        loader: Loader,
        clock: Callable[[], float],
    ) -> None:
        self._project = project
        self._database = database
        self._bus = bus
        self._loader = loader
        self._clock = clock
        self._woken = asyncio.Event()
        self._emptied = asyncio.Event()
        self.epoch = 0

    def wake(self) -> None:
        """Look into the store now."""
        self._woken.set()

    async def empty(self, within: float) -> bool:
        """Return once the bus has every entry that is stored by now, or False after `within` seconds."""
        self._emptied.clear()
        self.wake()
        try:
            async with asyncio.timeout(within):
                await self._emptied.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Publish for ever; while the bus is not there, try again with growing pauses. Replaced when
        another coordinator has taken over."""
        pause = _FIRST_PAUSE
        while True:
            self._woken.clear()
            try:
                await self.publish_entries()
                if not self._woken.is_set():  # else something was stored that may not be among them
                    self._emptied.set()
                await self._publish_jobs()
            except Replaced:
                raise
            except Temporary as error:
                _log.warning("outbox waits", project=self._project, seconds=pause, reason=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _FIRST_PAUSE
                await self._idle()

    async def publish_entries(self) -> None:
        """Publish every entry that the bus does not have, and whether the project is paused when that has
        changed; Temporary when it takes none now."""
        while True:
            entries, change = await self._database.run(self._untold)
            for number, entry in entries:
                stamped = replace(load_record(entry), epoch=self.epoch)
                await self._bus.publish_entry(
                    Message(id=f"{self._project}/{number}", body=dump_record(stamped))
                )
            if entries:
                await self._database.run(partial(log.published, last=entries[-1][0]))
            if change is not None:
                told = Message(id=f"{self._project}/pause/{change.at!r}", body=dump_record(change))
                await self._bus.publish_entry(told)
                await self._database.run(partial(pause.told, at=change.at))
            if not entries and change is None:
                return

    def _untold(self, db: sqlite3.Connection) -> tuple[list[tuple[int, bytes]], PauseChanged | None]:
        return log.unpublished(db, _ENTRIES_AT_ONCE), pause.untold(db, self._project, self.epoch)

    async def _publish_jobs(self) -> None:
        if self._loader.index is None:
            return
        due = await self._database.run(self._hand_out)
        for position, job in enumerate(due):
            try:
                await self._bus.publish_job(
                    job.project,
                    job.priority,
                    Message(id=f"{job.id}/{job.epoch}.{job.attempt}", body=dump_job(job)),
                )
            except Temporary as error:
                # None of those behind it went out either.
                again = partial(_put_back, due=due[position:], now=self._clock(), reason=str(error))
                await self._database.run(again)
                raise

    def _hand_out(self, db: sqlite3.Connection) -> list[Job]:
        assert self._loader.index is not None
        found: list[Job] = []
        now, paused = self._clock(), pause.paused(db) is not None
        away = outage.current(db)
        cache: CacheUse = "use" if away is None or away.since is None else "away"
        if away is not None and cache == "away" and away.probe_at <= now:
            cache = "probe"  # the first one that goes out; the others wait for what it finds
            if (first := jobs.held_for_cache(db, now, paused=paused)) is not None:
                jobs.let_go(db, first)
        for due in jobs.hand_out(db, now, MOST_OUTSTANDING, queued=MOST_QUEUED, paused=paused):
            if (key := key_of(due.element)) is not None:
                found += self._of_recipe(db, due, key, cache)
                continue
            element = self._loader.index.element(due.element)
            policy, stays = self._loader.policy.of(due.element), self._loader.policy.stays(due.element)
            over = "the element left the project" if element is None else stays if policy.ignore else None
            if element is None or over is not None:
                log.conclude_causes(db, due.id, "nothing to do", over)
                story.remember_end(db, due.id, "nothing to do", over, now, None)
                jobs.finish(db, due.id)
                continue
            starting = starting_refs(element, refs.proposed(db, due.element))
            handed.give(db, due.id, basis(element, starting))
            found.append(
                Job(
                    id=due.id,
                    project=self._project,
                    element=due.element,
                    epoch=self.epoch,
                    attempt=due.attempt,
                    track=due.track and stays is None,  # it may be asked for from before a pin
                    refs=starting,
                    revision=self._loader.revision,
                    priority="interactive" if due.interactive else "background",
                    cache=cache,
                )
            )
            if cache == "probe":
                outage.probing(db, now)
                cache = "away"
        return found

    def _of_recipe(
        self, db: sqlite3.Connection, due: jobs.DueJob, key: str, cache: CacheUse
    ) -> Sequence[Job]:
        """Return the job that follows the recipe for `key`, if there is (still) one."""
        recipe = recipes.find(db, key)
        if recipe is None:
            log.conclude_causes(db, due.id, "nothing to do", "no recipe any more")
            jobs.finish(db, due.id)
            return ()
        handed.give(db, due.id, due.element)
        job = Job(
            id=due.id,
            project=self._project,
            element=recipe.element,
            epoch=self.epoch,
            attempt=due.attempt,
            track=False,
            refs=recipe.refs,
            revision=recipe.revision or self._loader.revision,
            priority="interactive",
            # It is no probe: it may find all that it wants without asking the cache anything.
            cache="away" if cache == "probe" else cache,
        )
        return (job,)

    async def _idle(self) -> None:
        due = await self._database.run(partial(_next_due, now=self._clock()))
        seconds = _LONGEST_IDLE if due is None else min(max(due - self._clock(), 0.0), _LONGEST_IDLE)
        if due is not None and seconds == 0.0:
            seconds = _FIRST_PAUSE  # due, but as much as may be is outstanding
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return


def _put_back(db: sqlite3.Connection, due: Sequence[Job], now: float, reason: str) -> None:
    for job in due:
        jobs.put_back(db, job.id, now, reason, failed=False)


def _next_due(db: sqlite3.Connection, now: float) -> float | None:
    paused = pause.paused(db) is not None
    due, away = jobs.next_due(db, paused=paused), outage.current(db)
    if away is None or jobs.held_for_cache(db, now, paused=paused) is None:
        return due
    return away.probe_at if due is None else min(due, away.probe_at)
