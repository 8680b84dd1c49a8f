"""Publishes what the store holds: due jobs to the workers, new entries to the log. What a crash
leaves unpublished is published by the next start; ids make repeats harmless.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import structlog

from hookfetch.coordinator.ending import Told, end_unsent
from hookfetch.coordinator.loader import Loader
from hookfetch.core.codec import dump_job, dump_record, dump_reply, load_record
from hookfetch.core.entries import PauseChanged
from hookfetch.core.errors import Replaced, Temporary
from hookfetch.core.jobs import CacheUse, Job, Progress, Reply, basis, starting_refs
from hookfetch.core.ports import Bus, Message
from hookfetch.core.recipes import key_of
from hookfetch.core.supplied import is_supplied
from hookfetch.store import handed, jobs, log, moves, outage, pause, recipes, refs, supplied
from hookfetch.store.database import Database

_log = structlog.get_logger(__name__)

# Of each priority. What more is due stays in the store, where interactive work overtakes it and one
# project's thousand jobs are in no other's way; workers ask for more as they begin.
MOST_OUTSTANDING = 64
MOST_QUEUED = 16  # of those, on their way to a worker
_ENTRIES_AT_ONCE = 256
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_LONGEST_IDLE = 60.0
_GONE = "the element left the project"


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
        due, told = await self._database.run(self._hand_out)
        for reply_to, each in told:
            await self._tell(reply_to, each)
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

    async def _tell(self, reply_to: str, told: Reply | Progress) -> None:
        name = told.request_id if isinstance(told, Reply) else f"{told.job_id}/{told.state}"
        try:
            await self._bus.publish_reply(reply_to, Message(id=name, body=dump_reply(told)))
        except Temporary as error:  # as for every reply: asking again is harmless
            _log.warning("reply lost", request_id=name, reason=str(error))

    def _hand_out(self, db: sqlite3.Connection) -> tuple[list[Job], list[Told]]:
        """Return the jobs that go out, and what clients are told of those that are over before they do."""
        assert self._loader.index is not None
        found: list[Job] = []
        told: list[Told] = []
        now, paused = self._clock(), pause.paused(db) is not None
        away = outage.current(db)
        cache: CacheUse = "use" if away is None or away.since is None else "away"
        if away is not None and cache == "away" and away.probe_at <= now:
            cache = "probe"  # the first one that goes out; the others wait for what it finds
            if (first := jobs.held_for_cache(db, now, paused=paused)) is not None:
                jobs.let_go(db, first)
        moves.wake(db, now)
        for due in jobs.hand_out(db, now, MOST_OUTSTANDING, queued=MOST_QUEUED, paused=paused):
            if is_supplied(due.element):
                found.append(self._of_client(db, due, cache))
                continue
            if (key := key_of(due.element)) is not None:
                job = self._of_recipe(db, due, key, cache)
                if job is not None:
                    found.append(job)
                else:
                    told += end_unsent(db, due.id, due.element, "failed", "no recipe any more", now)
                continue
            element = self._loader.index.element(due.element)
            policy, stays = self._loader.policy.of(due.element), self._loader.policy.stays(due.element)
            over = _GONE if element is None else stays if policy.ignore else None
            if element is None or over is not None:
                outcome: Literal["failed", "unknown_element"] = (
                    "unknown_element" if element is None else "failed"
                )
                told += end_unsent(db, due.id, due.element, outcome, over or _GONE, now)
                moves.forget(db, due.element)
                continue
            starting = starting_refs(element, refs.proposed(db, due.element), refs.moved(db, due.element))
            moving = due.track and stays is None
            move = moves.for_job(db, due.element, asked=due.interactive) if moving else None
            handed.give(db, due.id, basis(element, starting, move))
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
                    move=move,
                )
            )
            if cache == "probe":
                outage.probing(db, now)
                cache = "away"
        return found, told

    def _of_recipe(self, db: sqlite3.Connection, due: jobs.DueJob, key: str, cache: CacheUse) -> Job | None:
        """Return the job that follows the recipe for `key`, if there is (still) one."""
        recipe = recipes.find(db, key)
        if recipe is None:
            return None
        handed.give(db, due.id, due.element)
        return Job(
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

    def _of_client(self, db: sqlite3.Connection, due: jobs.DueJob, cache: CacheUse) -> Job:
        """Return the job for what a client brought."""
        handed.give(db, due.id, due.element)
        return Job(
            id=due.id,
            project=self._project,
            element=due.element,
            epoch=self.epoch,
            attempt=due.attempt,
            track=due.track,
            revision=self._loader.revision,
            priority="interactive",
            cache="away" if cache == "probe" else cache,  # as for a recipe
            supplied=supplied.find(db, due.element),
        )

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
    away = outage.current(db)
    jobs_due, moves_due = jobs.next_due(db, paused=paused), None if paused else moves.next_due(db)
    due = min((each for each in (jobs_due, moves_due) if each is not None), default=None)
    if away is None or jobs.held_for_cache(db, now, paused=paused) is None:
        return due
    return away.probe_at if due is None else min(due, away.probe_at)
