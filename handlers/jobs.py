"""A client watches a job, or has the project loaded again: neither is work on an element."""

from hookfetch.core.commands import Answer, Attend, Client, Command, Conclude, Reload
from hookfetch.core.job_requests import ReloadRequested, WatchRequested
from hookfetch.core.jobs import Reply
from hookfetch.core.recipes import key_of
from hookfetch.core.state import ProjectState


def on_watch_requested(event: WatchRequested, state: ProjectState) -> list[Command]:
    """Tell how the element's job stands, now and whenever that changes: of two that which is worked on."""
    # What is not an element's own is told to nobody but who asked for it.
    jobs = state.jobs_of(event.element) if key_of(event.element) is None else ()
    if jobs:
        client = Client(request_id=event.id, reply_to=event.reply_to, wants="watch")
        return [Conclude(outcome="done"), Attend(job_id=jobs[0].id, client=client)]
    known = state.index is None or state.index.element(event.element) is not None
    reason = f"{event.element} has no job that waits or runs"
    reply = Reply(
        request_id=event.id,
        outcome="no_job" if known else "unknown_element",
        element=event.element,
        reason=reason,
    )
    return [Conclude(outcome="nothing to do", reason=reason), Answer(reply_to=event.reply_to, reply=reply)]


def on_reload_requested(event: ReloadRequested, state: ProjectState) -> list[Command]:
    """Load the branch as a push there does."""
    return [Conclude(outcome="done"), Reload(reply_to=event.reply_to)]
