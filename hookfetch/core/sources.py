"""A loaded project as values: elements, their sources, and the refs committed in the branch."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

# BuildStream's source ref. A mapping is always the keys as they stand in the source: {"ref", "tags"} of
# git with tags, {"ref": {"sha256sum", "suffix"}} of pypi, {"sha256sum", "suffix"} of cpan, all scalars in
# it strings. Anything else is the value of `ref` itself: a string for most kinds, a list for cargo2.
Ref = JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source of an element as BuildStream loaded it.

    `index` counts from 0 within the element, across every source kind. `urls` are resolved:
    the primary URL first, then the project's mirrors of it. `track` holds the plugin's own
    tracking keys as written (`track`, `track-extra`, `track-tags`, `match`, `exclude`,
    `ref-format`, `path`); `ref` is the committed ref.
    """

    index: int
    kind: str
    urls: tuple[str, ...] = ()
    track: Mapping[str, JsonValue] = field(default_factory=dict)
    ref: Ref = None
    directory: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element by its full name (`junction.bst:name.bst` behind a junction)."""

    name: str
    kind: str
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedProject:
    """What BuildStream says of a project after a load: `name` is project.conf's."""

    name: str
    elements: tuple[Element, ...]
