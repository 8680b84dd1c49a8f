"""The worker role: takes jobs from the bus, has the engine do them, reports to the project's
coordinator. Holds nothing; decides nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import structlog

from hookfetch.core.codec import dump_event, load_job, load_question, load_reply
from hookfetch.core.errors import CacheAway, ElementError, Temporary, Unwanted
from hookfetch.core.events import (
    CacheAnswered,
    JobBegun,
    JobDone,
    JobFailed,
    JobHeld,
    JobTracked,
    SourceRef,
)
from hookfetch.core.jobs import CalledOff, Job, Reply
from hookfetch.core.ports import Bus, Engine, Inbox, Message, Subscription

_log = structlog.get_logger(__name__)

# A job that took its process down this often in a row is reported as failed, so that the
# coordinator's backoff and quarantine see it.
MOST_INTERRUPTIONS = 3
# A coordinator that is not there, or has much to read first, holds up no worker: what it does not want
# any more is then done for nothing, and the results are dropped.
_ANSWER_WITHIN = 2.0  # seconds

_Told = JobBegun | JobTracked | JobDone | JobFailed | JobHeld | CacheAnswered


class Worker:
    """Consumes jobs, `concurrency` at once."""

    def __init__(self, bus: Bus, engine: Engine, concurrency: int) -> None:
        self._bus = bus
        self._engine = engine
        self._concurrency = concurrency
        self._subscription: Subscription | None = None
        self._inbox: Inbox | None = None
        self._hearing: Subscription | None = None
        self._asking: dict[str, asyncio.Future[bool]] = {}
        self._working: dict[asyncio.Timeout, Job] = {}

    async def start(self) -> None:
        """Begin to take jobs. After a Temporary it may be called again."""
        if self._inbox is None:
            self._inbox = await self._bus.inbox(self._on_answer)
        if self._hearing is None:
            self._hearing = await self._bus.answer(self._on_told)
        self._subscription = await self._bus.work(self._on_message, self._concurrency)

    async def stop(self) -> None:
        """Take no more; what runs is finished or goes back."""
        if self._subscription is not None:
            await self._subscription.cancel()
        for heard in (self._hearing, self._inbox):
            if heard is not None:
                await heard.cancel()

    async def _on_message(self, message: Message) -> None:
        job = load_job(message.body)

        async def on_tracked(refs: tuple[SourceRef, ...], milliseconds: float) -> None:
            await self._publish(
                job,
                JobTracked(
                    id=_event_id(job, "tracked"),
                    job_id=job.id,
                    epoch=job.epoch,
                    attempt=job.attempt,
                    element=job.element,
                    refs=refs,
                    milliseconds=milliseconds,
                ),
            )

        probes, away = job.cache == "probe", None
        try:
            if probes:
                job, away = await self._probed(job)
            may_begin = partial(self._may_begin, job, message.attempt)
            async with self._until_called_off(job):
                finished = await self._engine.run(job, on_tracked, may_begin)
        except CacheAway as error:
            await self._hold(job, away or str(error), probes)
        except Unwanted:
            _log.info("unwanted", job_id=job.id, element=job.element)
        except ElementError as error:
            await self._fail(job, str(error))
        except Temporary as error:
            if message.attempt < MOST_INTERRUPTIONS:
                raise
            await self._fail(job, f"{error} ({message.attempt} times in a row)")
        else:
            _log.info("finished", job_id=job.id, element=job.element, **finished.milliseconds)
            await self._publish(
                job,
                JobDone(
                    id=_event_id(job, "done"),
                    job_id=job.id,
                    epoch=job.epoch,
                    attempt=job.attempt,
                    element=job.element,
                    refs=finished.refs,
                    cached=finished.cached,
                    element_key=finished.element_key,
                    source_keys=finished.source_keys,
                    milliseconds=dict(finished.milliseconds),
                    revision=job.revision,
                    descends=dict(finished.descends),
                    element_directory=finished.element_directory,
                    source_directories=finished.source_directories,
                    upgrade=finished.upgrade,
                    unmoved=finished.unmoved,
                ),
            )

    @asynccontextmanager
    async def _until_called_off(self, job: Job) -> AsyncIterator[None]:
        """End what is done inside, with Unwanted, as soon as `job` is called off. A job that is called off
        before is not let begin."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._working[scope] = job
                yield
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise Unwanted(f"{job.element}: called off") from error
        finally:
            self._working.pop(scope, None)

    async def _on_told(self, message: Message) -> None:
        told = load_question(message.body)
        if isinstance(told, CalledOff):
            for scope in [scope for scope, job in self._working.items() if told.means(job)]:
                del self._working[scope]  # it can expire but once
                scope.reschedule(asyncio.get_running_loop().time())

    async def _probed(self, job: Job) -> tuple[Job, str | None]:
        """Return the job as it goes on, and why its source cache is to be left alone; CacheAway when it does
        not answer, and nobody waits for what can be done without it."""
        try:
            await self._engine.probe(job.project)
        except CacheAway as error:
            if job.priority != "interactive":
                raise
            return replace(job, cache="away"), str(error)
        answered = CacheAnswered(
            id=_event_id(job, "cache"),
            job_id=job.id,
            epoch=job.epoch,
            attempt=job.attempt,
            element=job.element,
        )
        await self._publish(job, answered)
        return replace(job, cache="use"), None

    async def _hold(self, job: Job, reason: str, probed: bool) -> None:
        _log.debug("held", job_id=job.id, element=job.element, reason=reason)
        held = JobHeld(
            id=_event_id(job, "held"),
            job_id=job.id,
            epoch=job.epoch,
            attempt=job.attempt,
            element=job.element,
            reason=reason,
            probed=probed and job.cache != "use",  # what answered the probe and went away again is news
            left_alone=job.cache == "away" and not probed,
        )
        await self._publish(job, held)

    async def _may_begin(self, job: Job, delivered: int) -> bool:
        """Say that the job begins, and return whether it is wanted still, as far as is known in time."""
        assert self._inbox is not None
        begun = JobBegun(
            id=f"{_event_id(job, 'begun')}.{delivered}",  # each delivery of the job begins it anew
            job_id=job.id,
            epoch=job.epoch,
            attempt=job.attempt,
            element=job.element,
            reply_to=self._inbox.address,
        )
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asking[begun.id] = answer
        try:
            await self._publish(job, begun)
            async with asyncio.timeout(_ANSWER_WITHIN):
                return await answer
        except TimeoutError:
            _log.info("begun unasked", job_id=job.id, element=job.element)
            return True
        finally:
            del self._asking[begun.id]

    async def _on_answer(self, message: Message) -> None:
        reply = load_reply(message.body)
        answer = self._asking.get(reply.request_id) if isinstance(reply, Reply) else None
        if answer is not None and not answer.done():
            answer.set_result(isinstance(reply, Reply) and reply.outcome == "wanted")

    async def _fail(self, job: Job, reason: str) -> None:
        _log.warning("failed", job_id=job.id, element=job.element, reason=reason)
        await self._publish(
            job,
            JobFailed(
                id=_event_id(job, "failed"),
                job_id=job.id,
                epoch=job.epoch,
                attempt=job.attempt,
                element=job.element,
                reason=reason,
            ),
        )

    async def _publish(self, job: Job, event: _Told) -> None:
        await self._bus.publish_event(job.project, Message(id=event.id, body=dump_event(event)))


def _event_id(job: Job, what: str) -> str:
    """Return an id that a repeat of the same attempt shares, and no other attempt."""
    return f"{job.id}/{job.epoch}.{job.attempt}/{what}"
