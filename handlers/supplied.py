"""A client brings an element of its own: work on what it brought, and on nothing that it may not."""

from hookfetch.core.commands import Answer, Client, Command, Conclude, KeepSupplied, Refresh
from hookfetch.core.jobs import Reply
from hookfetch.core.state import ProjectState
from hookfetch.core.supplied import NotAllowed, job_name, require_allowed
from hookfetch.core.supplied_requests import SuppliedRequested

MOST_OPEN = 64  # jobs of a project for what clients brought; who comes then is told to come again
_AGAIN_AFTER = 5.0  # seconds


def on_supplied_requested(event: SuppliedRequested, state: ProjectState) -> list[Command]:
    """Track or fetch what a client brought, before all work in the background: no element moves by it,
    nothing is announced, and nothing is kept but what the cache holds. Who want the same get one job."""
    name = job_name(event.sources, event.wants)
    refusal = _refusal(event, name, state)
    if refusal is not None:
        refused: list[Command] = [Conclude(outcome="nothing to do", reason=refusal.reason)]
        if event.reply_to is not None:
            refused.append(Answer(reply_to=event.reply_to, reply=refusal))
        return refused
    client = None
    if event.reply_to is not None:
        client = Client(request_id=event.id, reply_to=event.reply_to, wants=event.wants)
    return [
        KeepSupplied(name=name, sources=event.sources),
        Refresh(element=name, track=event.wants == "track", priority="interactive", client=client),
    ]


def _refusal(event: SuppliedRequested, name: str, state: ProjectState) -> Reply | None:
    if state.index is None:
        reason = state.unhealthy or "the project is not loaded"
        return Reply(request_id=event.id, outcome="failed", element="", reason=reason)
    try:
        require_allowed(event.sources, state.supplied_rules, state.aliases)
    except NotAllowed as error:
        return Reply(
            request_id=event.id, outcome="not_allowed", element="", field=error.field, reason=error.reason
        )
    outage = state.outage
    if event.wants == "fetch" and outage is not None and outage.since is not None:
        return _later(event, outage.reason, outage.pause)
    if state.supplied_jobs() >= MOST_OPEN and not state.busy(name):
        return _later(event, "as many elements of clients as may be are worked on", _AGAIN_AFTER)
    return None


def _later(event: SuppliedRequested, reason: str, seconds: float) -> Reply:
    return Reply(request_id=event.id, outcome="unavailable", element="", reason=reason, retry_after=seconds)
