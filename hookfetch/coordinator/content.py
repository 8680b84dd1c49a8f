"""What a coordinator answers about its project itself: what was loaded, and where an element's sources are.
It only reads."""

import sqlite3
from collections.abc import Sequence

from hookfetch.coordinator.loader import Loader
from hookfetch.core.jobs import starting_refs
from hookfetch.core.project_questions import (
    AboutProject,
    ContentAsked,
    FollowersAsked,
    FollowersTold,
    PlaceAsked,
    PlaceTold,
    ProjectsAsked,
    ProjectTold,
    ToldOfProject,
    content,
    followers,
    places,
)
from hookfetch.core.sources import Element
from hookfetch.store import log, refs


def told(
    db: sqlite3.Connection, project: str, epoch: int, loader: Loader, question: AboutProject
) -> ToldOfProject | None:
    """Return the answer to a question that is about `project`, None for one about another."""
    match question:
        case ProjectsAsked():
            return _whole(project, epoch, loader)
        case ContentAsked() if question.project == project:
            return content(loader.index, question, _whole(project, epoch, loader))
        case FollowersAsked() if question.project == project:
            found = () if loader.index is None else followers(loader.index, question)
            loaded = loader.index is not None
            return FollowersTold(project=project, epoch=epoch, loaded=loaded, elements=found)
        case PlaceAsked() if question.project == project:
            return _place(db, project, epoch, loader, question.element)
        case _:
            return None


def _whole(project: str, epoch: int, loader: Loader) -> ProjectTold:
    index = loader.index
    return ProjectTold(
        project=project,
        epoch=epoch,
        loaded=index is not None,
        elements=0 if index is None else len(list(index.elements())),
        repositories=0 if index is None else len(index.repositories()),
        revision=loader.revision,
        unhealthy=loader.unhealthy,
    )


def _place(db: sqlite3.Connection, project: str, epoch: int, loader: Loader, name: str) -> PlaceTold:
    element = None if loader.index is None else loader.index.element(name)
    if element is None:
        return PlaceTold(project=project, epoch=epoch, loaded=loader.index is not None)
    proposed = refs.proposed(db, name)
    element_key, source_keys = _keys(db, element, announced=bool(proposed))
    return PlaceTold(
        project=project,
        epoch=epoch,
        loaded=True,
        known=True,
        element_key=element_key,
        places=places(element, starting_refs(element, proposed), source_keys),
    )


def _keys(db: sqlite3.Connection, element: Element, *, announced: bool) -> tuple[str | None, Sequence[str]]:
    """Return the key of an element's newest announced sources, else of the committed ones, and each source's;
    None and nothing where they are not known."""
    if announced:
        entry = log.newest_update(db, element.name)
        # An older entry's other sources may have been settled since.
        if entry is None or entry.number != refs.last_proposed(db, element.name):
            return None, ()
        return entry.element_key, entry.source_keys
    if len(element.keys) != len(element.sources) + 1:  # a load does not know all of them
        return None, ()
    return element.keys[-1], element.keys[:-1]
