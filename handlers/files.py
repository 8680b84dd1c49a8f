"""A file at a fixed address became another one: look at the elements that it is a source of."""

from hookfetch.core.commands import Command, Conclude, Refresh
from hookfetch.core.events import FileChanged
from hookfetch.core.state import ProjectState


def on_file_changed(event: FileChanged, state: ProjectState) -> list[Command]:
    """Refresh each element with the file as a source; tracking downloads it and says whether it is new."""
    if state.index is None:
        return [Conclude(outcome="nothing to do", reason=state.unhealthy)]
    files = state.index.files()
    elements = dict.fromkeys(element for url in event.urls for element in files.get(url, ()))
    if not elements:
        return [Conclude(outcome="nothing to do", reason="no element has this file any more")]
    return [Refresh(element=element) for element in elements]
