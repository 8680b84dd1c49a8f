"""What a gateway asks coordinators about the projects themselves, and what they answer: what was loaded, what
follows an upstream, and where an element's sources are. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hookfetch.core.events import SourceRef
from hookfetch.core.files import file_of
from hookfetch.core.globs import Glob
from hookfetch.core.jobs import starting_refs
from hookfetch.core.matching import Index
from hookfetch.core.questions import Question
from hookfetch.core.repository import RepositoryId, identify
from hookfetch.core.sources import Element, Source
from hookfetch.core.tracking import rules

ELEMENTS_MOST = 1000  # in a page

# Kinds of one commit of one repository, of which an original is kept as a mirror.
_GIT = frozenset({"git", "git_repo", "git_tag"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectsAsked(Question):
    """What do projects hold? Their coordinators answer."""

    type: Literal["projects_asked"] = "projects_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentAsked(Question):
    """What are the elements of `project`? Its coordinator answers with at most `limit`, and `ELEMENTS_MOST`,
    that match one of `globs` (none: all), by name after that of `after`."""

    project: str
    limit: int
    globs: tuple[str, ...] = ()
    after: str = ""
    type: Literal["content_asked"] = "content_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowersAsked(Question):
    """Which elements of `project` follow `ref` (empty: any) of a repository? Its coordinator answers."""

    project: str
    repository: RepositoryId
    ref: str = ""
    type: Literal["followers_asked"] = "followers_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceAsked(Question):
    """Where are the sources of an element of `project`? Its coordinator answers."""

    project: str
    element: str
    type: Literal["place_asked"] = "place_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectTold:
    """How much a project holds, as it was loaded last; `loaded` is False before it was."""

    project: str
    epoch: int
    loaded: bool = False
    elements: int = 0
    repositories: int = 0
    revision: str | None = None
    unhealthy: str | None = None
    type: Literal["project_told"] = "project_told"


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedSource:
    """A source as it was committed, and what it follows: patterns of full ref names in `repository`."""

    source: SourceRef
    repository: RepositoryId | None = None
    follows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedElement:
    """An element with its sources."""

    name: str
    sources: tuple[DescribedSource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentTold:
    """A page of a project's elements, by name; `more` when there are others after it."""

    project: str
    epoch: int
    whole: ProjectTold
    elements: tuple[DescribedElement, ...] = ()
    more: bool = False
    type: Literal["content_told"] = "content_told"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowersTold:
    """The elements that follow, by name."""

    project: str
    epoch: int
    loaded: bool = False
    elements: tuple[str, ...] = ()
    type: Literal["followers_told"] = "followers_told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a source is: its cache key where that is known, and as what its original is kept, if at all."""

    source: SourceRef
    key: str | None = None
    original: Literal["git", "files"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceTold:
    """Where an element's sources are, with the refs that were announced last, else committed. `loaded` is
    False before the project was, `known` whether it has the element."""

    project: str
    epoch: int
    loaded: bool = False
    known: bool = False
    element_key: str | None = None
    places: tuple[Place, ...] = ()
    type: Literal["place_told"] = "place_told"


AboutProject = ProjectsAsked | ContentAsked | FollowersAsked | PlaceAsked
ToldOfProject = ProjectTold | ContentTold | FollowersTold | PlaceTold


def content(index: Index | None, asked: ContentAsked, whole: ProjectTold) -> ContentTold:
    """Return the page that a question means."""
    globs = [Glob(text) for text in asked.globs]
    elements = () if index is None else index.elements()
    found = sorted(
        (
            element
            for element in elements
            if element.name > asked.after and (not globs or any(glob.matches(element.name) for glob in globs))
        ),
        key=lambda element: element.name,
    )
    limit = min(asked.limit, ELEMENTS_MOST)
    return ContentTold(
        project=whole.project,
        epoch=whole.epoch,
        whole=whole,
        elements=tuple(map(_described, found[:limit])),
        more=len(found) > limit,
    )


def followers(index: Index, asked: FollowersAsked) -> tuple[str, ...]:
    """Return the names of the elements that follow what a question means."""
    if asked.ref:
        return tuple(sorted(index.affected([asked.repository], asked.ref)))
    return tuple(sorted({follower.element for follower in index.followers(asked.repository)}))


def places(element: Element, refs: Sequence[SourceRef], keys: Sequence[str]) -> tuple[Place, ...]:
    """Return where the sources of `element` are, with `refs`; `keys` are theirs where they are known."""
    return tuple(
        Place(source=ref, key=key, original=_original(source))
        for source, ref, key in zip(
            element.sources, refs, keys if len(keys) == len(refs) else [None] * len(refs), strict=True
        )
    )


def _described(element: Element) -> DescribedElement:
    return DescribedElement(
        name=element.name,
        sources=tuple(
            DescribedSource(source=ref, repository=_repository(source), follows=_followed(source))
            for source, ref in zip(element.sources, starting_refs(element, {}), strict=True)
        ),
    )


def _repository(source: Source) -> RepositoryId | None:
    return identify(source.urls[0]) if source.urls and rules(source) is not None else None


def _followed(source: Source) -> tuple[str, ...]:
    rule = rules(source)
    if rule is None:
        return ()
    patterns = [pattern for group in rule.choices for pattern in group]
    return tuple(dict.fromkeys(name for pattern in (*patterns, *rule.tags) for name in pattern.names))


def _original(source: Source) -> Literal["git", "files"] | None:
    if source.kind in _GIT:
        return "git"
    return "files" if file_of(source) is not None else None
