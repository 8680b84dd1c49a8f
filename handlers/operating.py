"""An operator pauses a project or lets it go on."""

from hookfetch.core.commands import Answer, Command, Conclude, Pause, Resume
from hookfetch.core.events import PauseRequested, ResumeRequested
from hookfetch.core.jobs import Reply
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
