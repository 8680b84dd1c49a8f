"""A client asks for an element by name: do it now, and answer when it is done."""

from typing import Literal

from hookfetch.core.commands import Answer, Client, Command, Conclude, Refresh, Withdraw
from hookfetch.core.events import FetchRequested, RequestWithdrawn, TrackRequested
from hookfetch.core.jobs import Reply
from hookfetch.core.outage import Outage
from hookfetch.core.state import ProjectState


def on_track_requested(event: TrackRequested, state: ProjectState) -> list[Command]:
    """Track the element before anything in the background, quarantined or not."""
    return _interactive(event, "track", state)


def on_fetch_requested(event: FetchRequested, state: ProjectState) -> list[Command]:
    """Have the element's newest announced sources in the cache."""
    return _interactive(event, "fetch", state)


def on_withdrawn(event: RequestWithdrawn, state: ProjectState) -> list[Command]:
    """Do for nobody what nobody waits for any more."""
    return [Conclude(outcome="done"), Withdraw(request_id=event.request_id)]


def _interactive(
    event: TrackRequested | FetchRequested, wants: Literal["track", "fetch"], state: ProjectState
) -> list[Command]:
    if state.index is None:
        return _refuse(event, "failed", state.unhealthy or "the project is not loaded")
    if state.index.element(event.element) is None:
        return _refuse(event, "unknown_element", f"the project has no element {event.element!r}")
    stays = state.policy.stays(event.element)
    if stays is not None and (wants == "track" or state.policy.of(event.element).ignore):
        return _refuse(event, "failed", stays)
    if wants == "fetch" and state.outage is not None and state.outage.since is not None:
        return _not_now(event, state.outage)
    client = None
    if event.reply_to is not None:
        client = Client(request_id=event.id, reply_to=event.reply_to, wants=wants)
    return [Refresh(element=event.element, track=wants == "track", priority="interactive", client=client)]


def _not_now(event: TrackRequested | FetchRequested, outage: Outage) -> list[Command]:
    # It is held, so that something asks the cache again; nobody waits for it meanwhile.
    commands: list[Command] = [Refresh(element=event.element, track=False, priority="interactive")]
    if event.reply_to is not None:
        reply = Reply(
            request_id=event.id,
            outcome="unavailable",
            element=event.element,
            reason=outage.reason,
            retry_after=outage.pause,
        )
        commands.append(Answer(reply_to=event.reply_to, reply=reply))
    return commands


def _refuse(
    event: TrackRequested | FetchRequested, outcome: Literal["failed", "unknown_element"], reason: str
) -> list[Command]:
    commands: list[Command] = [Conclude(outcome="nothing to do", reason=reason)]
    if event.reply_to is not None:
        reply = Reply(request_id=event.id, outcome=outcome, element=event.element, reason=reason)
        commands.append(Answer(reply_to=event.reply_to, reply=reply))
    return commands
