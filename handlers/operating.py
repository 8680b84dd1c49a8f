"""An operator pauses a project or lets it go on, and has elements tried again, let go or left alone."""

from collections.abc import Sequence
from typing import Literal

from hookfetch.core.commands import (
    Answer,
    CallOff,
    Command,
    Conclude,
    FinishJob,
    Forgive,
    Pause,
    Refresh,
    Release,
    Resume,
    TryNow,
)
from hookfetch.core.globs import Glob, is_glob
from hookfetch.core.jobs import Reply
from hookfetch.core.operator_requests import (
    CancelRequested,
    PauseRequested,
    ReleaseRequested,
    ResumeRequested,
    RetryRequested,
)
from hookfetch.core.standing import AT_ONCE_MOST, CANCELLED
from hookfetch.core.state import ProjectState


def on_pause_requested(event: PauseRequested, state: ProjectState) -> list[Command]:
    """Rest until resumed: jobs in the background wait and the sweep asks nobody. Paused twice is paused."""
    commands: list[Command] = [Conclude(outcome="done"), Pause(reason=event.reason, by=event.by)]
    if event.reply_to is not None:
        reply = Reply(request_id=event.id, outcome="paused", element="")
        commands.append(Answer(reply_to=event.reply_to, reply=reply))
    return commands


def on_resume_requested(event: ResumeRequested, state: ProjectState) -> list[Command]:
    """Go on; what was accepted meanwhile is worked on now."""
    commands: list[Command] = [Conclude(outcome="done"), Resume()]
    if event.reply_to is not None:
        reply = Reply(request_id=event.id, outcome="resumed", element="")
        commands.append(Answer(reply_to=event.reply_to, reply=reply))
    return commands


def on_retry_requested(event: RetryRequested, state: ProjectState) -> list[Command]:
    """Try now what waits under a name, or what failed and is not due yet under a glob. Failures stay
    counted, and the policy holds as ever."""
    if is_glob(event.elements):
        failed = [each for each in state.standing() if each.state in ("set aside", "failing")]
        found = _matching(event.elements, [each.element for each in failed if each.due_at is not None])
        nothing = f"nothing that matches {event.elements!r} is set aside or failing, and not due already"
    else:
        found = [event.elements] if state.waits(event.elements) else []
        running = state.busy(event.elements)
        nothing = f"{event.elements} {'is being worked on' if running else 'has no job that waits'}"
    commands: list[Command] = [TryNow(element=element) for element in found[:AT_ONCE_MOST]]
    return _replied(event, "retried", found, commands, nothing, state)


def on_release_requested(event: ReleaseRequested, state: ProjectState) -> list[Command]:
    """End quarantine and hold, as a person decided: failures count anew, what upstream rewrote is followed
    from now, and it is tried now."""
    kept = {each.element for each in state.standing() if each.failures or each.state in ("set aside", "held")}
    # A rewrite may be remembered of an element that the project has no more: that is not worth a job.
    kept.update(name for name in state.kept_back() if state.index is None or state.index.element(name))
    found = _matching(event.elements, sorted(kept))
    commands: list[Command] = []
    for element in found[:AT_ONCE_MOST]:
        commands += [Release(rewrite=each) for each in state.rewrites(element) if each.held]
        commands.append(Forgive(element=element))
        if not state.busy(element) and state.policy.stays(element) is None:
            commands.append(Refresh(element=element))
        commands.append(TryNow(element=element))
    named = f"nothing that matches {event.elements!r}" if is_glob(event.elements) else event.elements
    nothing = f"{named} is {'' if is_glob(event.elements) else 'not '}set aside, held or failing"
    return _replied(event, "released", found, commands, nothing, state)


def on_cancel_requested(event: CancelRequested, state: ProjectState) -> list[Command]:
    """End open jobs, whether they wait or run, and tell who waits for them; the next event begins anew."""
    found = _matching(event.elements, [each.element for each in state.standing()])
    reason = f"{CANCELLED}{event.by}"
    commands: list[Command] = []
    for element in found[:AT_ONCE_MOST]:
        for job in state.jobs_of(element):
            commands.append(FinishJob(job_id=job.id, outcome="nothing to do", reason=reason))
            if job.runs:
                commands.append(CallOff(job_id=job.id, attempt=job.attempt))
            for client in job.clients:
                reply = Reply(request_id=client.request_id, outcome="failed", element=element, reason=reason)
                commands.append(Answer(reply_to=client.reply_to, reply=reply))
    named = f"nothing that matches {event.elements!r}" if is_glob(event.elements) else event.elements
    nothing = f"{named} has {'a' if is_glob(event.elements) else 'no'} job that waits or runs"
    return _replied(event, "cancelled", found, commands, nothing, state)


def _matching(text: str, elements: Sequence[str]) -> list[str]:
    """Return those of `elements` that the name or glob `text` means, in their order."""
    if not is_glob(text):
        return [element for element in elements if element == text]
    glob = Glob(text)
    return [element for element in elements if glob.matches(element)]


def _replied(
    event: RetryRequested | ReleaseRequested | CancelRequested,
    outcome: Literal["retried", "released", "cancelled"],
    found: Sequence[str],
    commands: Sequence[Command],
    nothing: str,
    state: ProjectState,
) -> list[Command]:
    """Return `commands` with the event's end and its answer, which says why there is `nothing` to do where
    nothing was found."""
    if found:
        end = Conclude(outcome="done")
        reply = Reply(
            request_id=event.id,
            outcome=outcome,
            element="",
            elements=tuple(found[:AT_ONCE_MOST]),
            left=len(found[AT_ONCE_MOST:]),
            paused=state.paused,
        )
    else:
        unknown = (
            state.index is not None
            and state.index.element(event.elements) is None
            and not (is_glob(event.elements) or state.busy(event.elements))
        )
        end = Conclude(outcome="nothing to do", reason=nothing)
        reply = Reply(
            request_id=event.id,
            outcome="unknown_element" if unknown else "failed",
            element="" if is_glob(event.elements) else event.elements,
            reason=nothing,
        )
    answers = [Answer(reply_to=event.reply_to, reply=reply)] if event.reply_to is not None else []
    return [end, *commands, *answers]
