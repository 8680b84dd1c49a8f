"""A client wants an upstream's original as it is now: look, have it fetched, and answer when it is there."""

from typing import Literal

from hookfetch.core.asset_requests import LookRequested
from hookfetch.core.commands import Answer, Client, Command, Conclude, Refresh
from hookfetch.core.jobs import Reply
from hookfetch.core.state import ProjectState


def on_look_requested(event: LookRequested, state: ProjectState) -> list[Command]:
    """Track the element before all work in the background, unless the policy has it stay as it is."""
    if state.index is None or state.index.element(event.element) is None:
        return _refuse(event, "unknown_element", f"the project has no element {event.element!r}")
    stays = state.policy.stays(event.element)
    if stays is not None:
        return _refuse(event, "failed", stays)
    outage = state.outage
    if outage is not None and outage.since is not None:
        # Nobody waits for a cache that is not there: what is asked for could not be put into it.
        return _refuse(event, "unavailable", outage.reason)
    client = None
    if event.reply_to is not None:
        client = Client(request_id=event.id, reply_to=event.reply_to, wants="fetch")
    return [Refresh(element=event.element, track=True, priority="interactive", client=client)]


def _refuse(
    event: LookRequested, outcome: Literal["failed", "unavailable", "unknown_element"], reason: str
) -> list[Command]:
    commands: list[Command] = [Conclude(outcome="nothing to do", reason=reason)]
    if event.reply_to is not None:
        reply = Reply(request_id=event.id, outcome=outcome, element=event.element, reason=reason)
        commands.append(Answer(reply_to=event.reply_to, reply=reply))
    return commands
