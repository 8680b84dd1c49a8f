"""The source cache does not answer a worker, or answers again: hold what is for it, and let it go."""

from hookfetch.core.cache_commands import CacheAnswers, CacheIsAway, HoldForCache, TakeBackQueued
from hookfetch.core.commands import Answer, Command, Conclude, FinishJob
from hookfetch.core.events import CacheAnswered, JobHeld
from hookfetch.core.jobs import Reply
from hookfetch.core.outage import Outage, next_pause
from hookfetch.core.state import ProjectState
from hookfetch.core.supplied import is_supplied


def on_held(event: JobHeld, state: ProjectState) -> list[Command]:
    """Hold the element's update until the cache answers; that is no failure of the element. The first one
    held, and each probe in vain, says when the cache is asked again."""
    if not _is_current(event, state):
        return [Conclude(outcome="stale", reason="of an earlier epoch or attempt")]
    job = state.running(event.job_id)
    assert job is not None
    outage = state.outage
    away = outage is not None and outage.since is not None
    if event.left_alone and not away:  # it has answered since the job was sent
        return [Conclude(outcome="done"), HoldForCache(job_id=job.id), CacheAnswers(proved=False)]
    commands: list[Command] = [Conclude(outcome="done")]
    if outage is None or not away or event.probed:
        outage = Outage(since=None, reason=event.reason, pause=next_pause(outage), probe_at=0.0)
        commands.append(CacheIsAway(reason=outage.reason, pause=outage.pause))
    commands += [
        Answer(
            reply_to=client.reply_to,
            reply=Reply(
                request_id=client.request_id,
                outcome="unavailable",
                element=job.element,
                reason=outage.reason,
                retry_after=outage.pause,
            ),
        )
        for client in job.clients
    ]
    # What a client brought is for nobody else.
    over = FinishJob(job_id=job.id, outcome="nothing to do", reason=outage.reason)
    commands.append(over if is_supplied(job.element) else HoldForCache(job_id=job.id))
    if not away:
        commands.append(TakeBackQueued())  # or each would find out for itself
    return commands


def on_cache_answered(event: CacheAnswered, state: ProjectState) -> list[Command]:
    """Let go what was held, in the order in which it was asked for."""
    if not _is_current(event, state):
        return [Conclude(outcome="stale", reason="of an earlier epoch or attempt")]
    return [Conclude(outcome="done"), CacheAnswers(proved=False)]


def _is_current(event: JobHeld | CacheAnswered, state: ProjectState) -> bool:
    job = state.running(event.job_id) if event.epoch == state.epoch else None
    return job is not None and job.attempt == event.attempt
