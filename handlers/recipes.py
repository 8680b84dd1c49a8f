"""A client of the source cache misses something: make it again by its recipe, and answer when it is there."""

from hookfetch.core.asset_requests import SourcesRequested
from hookfetch.core.commands import Answer, Client, Command, Conclude, Refresh
from hookfetch.core.jobs import Reply
from hookfetch.core.recipes import job_name
from hookfetch.core.state import ProjectState


def on_sources_requested(event: SourcesRequested, state: ProjectState) -> list[Command]:
    """Follow the recipe for the key before all work in the background; no ref of the element moves."""
    recipe = state.recipe(event.key)
    if recipe is None:
        return _refuse(event, Reply(request_id=event.id, outcome="unknown_element", element=""))
    outage = state.outage
    if outage is not None and outage.since is not None:
        # Nobody waits for a cache that is not there: who asked has an upstream to go to.
        away = Reply(request_id=event.id, outcome="unavailable", element=recipe.element, reason=outage.reason)
        return _refuse(event, away)
    client = None
    if event.reply_to is not None:
        client = Client(request_id=event.id, reply_to=event.reply_to, wants="fetch")
    name = job_name(recipe.element, event.key)
    return [Refresh(element=name, track=False, priority="interactive", client=client)]


def _refuse(event: SourcesRequested, reply: Reply) -> list[Command]:
    commands: list[Command] = [Conclude(outcome="nothing to do", reason=reply.reason or "no recipe")]
    if event.reply_to is not None:
        commands.append(Answer(reply_to=event.reply_to, reply=reply))
    return commands
