"""A feed tells of a newer version of an element: have it moved there, and never back."""

from hookfetch.core.commands import Command, Conclude, Refresh, Want
from hookfetch.core.events import ReleaseFound
from hookfetch.core.moves import WantedMove
from hookfetch.core.state import ProjectState
from hookfetch.core.versions import Version


def on_release_found(event: ReleaseFound, state: ProjectState) -> list[Command]:
    """Have the element's next job move it, unless it is on that version or a newer one, is on its way there,
    or was in vain."""
    why = _why_not(event, state)
    if why is not None:
        return [Conclude(outcome="nothing to do", reason=why)]
    wanted = WantedMove(
        current=event.current,
        version=event.version,
        feed=event.feed,
        tag=event.tag,
        page=event.page,
        urls=event.urls,
    )
    return [Want(element=event.element, wanted=wanted), Refresh(element=event.element)]


def _why_not(event: ReleaseFound, state: ProjectState) -> str | None:
    if state.index is None:
        return state.unhealthy
    if state.index.element(event.element) is None:
        return f"the project has no element {event.element}"
    stays = state.policy.stays(event.element)
    if stays is not None:
        return stays
    announced = [move.new for move in state.moved(event.element).values() if move.old == event.current]
    for known in (event.current, *announced):
        if not Version(event.version) > Version(known):
            return f"{event.version} is not newer than {known}"
    pending = next(
        (each for each in state.pending_moves(event.element) if each.wanted.current == event.current), None
    )
    if pending is None or Version(event.version) > Version(pending.wanted.version):
        return None
    if pending.over:
        return f"{pending.wanted.version} was not taken: {pending.reason}"
    waits = pending.due_at is not None or state.busy(event.element)
    return f"{pending.wanted.version} is on its way" if waits else None
