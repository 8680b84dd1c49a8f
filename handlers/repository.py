"""Something happened to a repository that moves no ref."""

from hookfetch.core.commands import Command, Conclude
from hookfetch.core.events import Pinged, RepositoryMoved
from hookfetch.core.state import ProjectState


def on_moved(event: RepositoryMoved, state: ProjectState) -> list[Command]:
    """Note it: elements that name the old URL keep it until a person changes them."""
    return [Conclude(outcome="nothing to do", reason=f"the repository was {event.action or 'changed'}")]


def on_pinged(event: Pinged, state: ProjectState) -> list[Command]:
    """Note that the forge reached us."""
    return [Conclude(outcome="nothing to do", reason="a ping")]
