"""How an element's sources and the variables in them stand in a project's files. Pure, given the texts.

What BuildStream has loaded says which sources there are; here is where each of them, and each variable,
is written. Behind junctions nothing is found: that is another project's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hookfetch import edits
from hookfetch.core.events import SourceRef
from hookfetch.core.junctions import junction_of
from hookfetch.core.moves import SourceMove, ValueChange
from hookfetch.edits import Path, Refused
from hookfetch.updates.places import PROJECT_CONF, Found, Places, fits, left_of

# The keys of a source that may hold its version, beside its URL.
KEYS = ("base-dir", "track", "version", "filename")
_VARIABLES: Path = ("variables",)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSource:
    """A source at `place` of the file `path`: its URL as it is written, and those of `KEYS` that it has."""

    path: str
    place: Path
    url: str
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AsWritten:
    """An element's sources by their index, those without a URL left out; its variables' values as they are
    written, and the file that has each of them. `own` is the element's file."""

    own: str
    sources: Mapping[int, WrittenSource]
    variables: Mapping[str, str]
    files: Mapping[str, str]


def as_written(places: Places, element: str, sources: Sequence[SourceRef]) -> AsWritten:
    """Return how an element stands in the files; Refused where a source is not found, or in several
    places."""
    if junction_of(element) is not None:
        raise Refused(f"{element} belongs to the project behind a junction: its versions change there")
    own = places.element_file(element)
    found = {source.index: _source(places, own, source) for source in sources if source.url is not None}
    variables: dict[str, str] = {}
    files: dict[str, str] = {}
    for path in _files(places, own):
        held = places.document(path).value.get("variables")
        for name, value in held.items() if isinstance(held, dict) else ():
            if isinstance(value, str) and name not in variables:
                variables[name], files[name] = value, path
    return AsWritten(own=own, sources=found, variables=variables, files=files)


def place_moves(places: Places, element: str, source: SourceRef, moved: SourceMove) -> list[Found]:
    """Return what `moved` changes in which files; nothing where they have it already. Refused where a value
    is neither what it was nor what it shall be."""
    own = places.element_file(element)
    found: list[Found] = []
    if moved.keys:
        written = _source(places, own, source, moved)
        found.append(_found(places, written.path, written.place, moved.keys))
    for change in moved.variables:
        holders = [path for path in _files(places, own) if _holds_variable(places, path, change.key)]
        if not holders:
            raise Refused(f"{own}: no file has the variable {change.key}")
        found.append(_found(places, holders[0], _VARIABLES, (change,)))
    return found


def _found(places: Places, path: str, holder: Path, values: Sequence[ValueChange]) -> Found:
    document = places.document(path)
    asked = []
    for value in values:
        place = edits.value_at(document.value, (*holder, value.key))
        if place not in (value.before, value.after):
            raise Refused(
                f"{path}: {value.key} is {str(place)[:80]!r}, and what was announced begins at"
                f" {value.before[:80]!r}"
            )
        asked.append(edits.change_of(document, holder, value.key, value.before, value.after))
    return Found(path=path, changes=left_of(document, asked))


def _source(places: Places, own: str, source: SourceRef, moved: SourceMove | None = None) -> WrittenSource:
    index: Path = ("sources", source.index)
    if _is(places, own, index, source, moved):
        return _written(places, own, index)
    found = [
        (path, place)
        for path in places.with_included(own)
        for place in edits.sources_of_kind(places.document(path), source.kind)
        if _is(places, path, place, source, moved)
    ]
    if len(found) != 1:
        where = f"stands in {len(found)} places" if found else "is not found as it is written"
        raise Refused(f"{own}: source {source.index} ({source.kind}) {where}")
    return _written(places, *found[0])


def _is(places: Places, path: str, place: Path, source: SourceRef, moved: SourceMove | None) -> bool:
    value = edits.value_at(places.document(path).value, place)
    if not isinstance(value, dict) or value.get("kind") != source.kind:
        return False
    afterwards = {change.key: change.after for change in moved.keys} if moved is not None else {}
    return fits(value.get("url"), source.url) or value.get("url") == afterwards.get("url", "")


def _written(places: Places, path: str, place: Path) -> WrittenSource:
    value = edits.value_at(places.document(path).value, place)
    assert isinstance(value, dict)
    return WrittenSource(
        path=path,
        place=place,
        url=str(value.get("url", "")),
        keys={key: text for key in KEYS if isinstance(text := value.get(key), str)},
    )


def _files(places: Places, own: str) -> Iterator[str]:
    """Yield the files that may hold an element's variables, what goes before others first."""
    yield from places.with_included(own)
    yield from places.with_included(PROJECT_CONF)


def _holds_variable(places: Places, path: str, name: str) -> bool:
    held = places.document(path).value.get("variables")
    return isinstance(held, dict) and name in held
