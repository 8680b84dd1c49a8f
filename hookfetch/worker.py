"""The worker role: takes jobs from the bus, has the engine do them, reports to the project's
coordinator. Holds nothing; decides nothing.
"""

import structlog

from hookfetch.core.codec import dump_event, load_job
from hookfetch.core.errors import ElementError, Temporary
from hookfetch.core.events import JobDone, JobFailed, JobTracked, SourceRef
from hookfetch.core.jobs import Job
from hookfetch.core.ports import Bus, Engine, Message, Subscription

_log = structlog.get_logger(__name__)

# A job that took its process down this often in a row is reported as failed, so that the
# coordinator's backoff and quarantine see it.
MOST_INTERRUPTIONS = 3


class Worker:
    """Consumes jobs, `concurrency` at once."""

    def __init__(self, bus: Bus, engine: Engine, concurrency: int) -> None:
        self._bus = bus
        self._engine = engine
        self._concurrency = concurrency
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to take jobs."""
        self._subscription = await self._bus.work(self._on_message, self._concurrency)

    async def stop(self) -> None:
        """Take no more; what runs is finished or goes back."""
        if self._subscription is not None:
            await self._subscription.cancel()

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

        try:
            finished = await self._engine.run(job, on_tracked)
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
                    descends=dict(finished.descends),
                ),
            )

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

    async def _publish(self, job: Job, event: JobTracked | JobDone | JobFailed) -> None:
        await self._bus.publish_event(job.project, Message(id=event.id, body=dump_event(event)))


def _event_id(job: Job, what: str) -> str:
    """Return an id that a repeat of the same attempt shares, and no other attempt."""
    return f"{job.id}/{job.epoch}.{job.attempt}/{what}"
