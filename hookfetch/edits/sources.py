"""Where a source's ref stands in an element, an included file or project.refs. Pure."""

from collections.abc import Iterator
from typing import Any

from hookfetch.core.refs import from_json
from hookfetch.core.sources import Ref
from hookfetch.edits.changes import Change, Json, Path, normal, value_at
from hookfetch.edits.document import Mapping, Refused

_CONDITIONS = "(?)"
_MAX_STEPS = 64  # of a path as text


def project_refs_path(project: str, element: str, index: int) -> Path:
    """Return where project.refs holds the ref of an element's source (`buildstream/_projectrefs.py`)."""
    return "projects", project, element, index


def ref_changes(document: Mapping, source: Path, before: Ref, after: Ref) -> list[Change]:
    """Return the changes that give the source at `source` a new ref.

    Raises Refused where the ref stands under several conditions, or BuildStream would not read it as it is.
    """
    if _has_variable(normal(after, "the new ref")):
        raise Refused(
            f"the new ref {str(after)[:80]!r} holds %{{, which BuildStream would take for a variable"
        )
    old, new = from_json(before) or {}, from_json(after) or {}
    return [
        change_of(document, source, key, old.get(key), new.get(key))
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    ]


def change_of(document: Mapping, holder: Path, key: str, before: Json, after: Json) -> Change:
    """Return the change of a key of a source, or of the variables: there, or under the one condition
    (`(?)`) that has it."""
    place: Path = (*holder, key)
    value = value_at(document.value, holder)
    if before is not None and isinstance(value, dict) and key not in value and _CONDITIONS in value:
        held = [
            path
            for path, found in _holders((*holder, _CONDITIONS), value[_CONDITIONS], key)
            if found == before
        ]
        if len(held) > 1:
            raise Refused(f"{'/'.join(map(str, place))} has this value under {len(held)} conditions")
        place = held[0] if held else place
    return Change(path=place, before=before, after=after)


def locate(document: Mapping, place: str) -> Path | None:
    """Return the path that `place` means: keys and indices joined by slashes, where keys may hold slashes
    themselves. None if it leads nowhere; raises Refused if to several places."""
    steps = place.split("/")
    if len(steps) > _MAX_STEPS:
        raise Refused(f"{place[:80]!r} has more than {_MAX_STEPS} steps")
    ways: list[Path] = list(_ways(document.value, steps, ()))
    if len(ways) > 1:
        raise Refused(f"{place!r} may mean {len(ways)} places")
    return ways[0] if ways else None


def find_source(document: Mapping, kind: str, known: dict[str, Json]) -> Path | None:
    """Return the only source of a kind with these values, wherever in the text: under a condition, in an
    appended or prepended list, in a file that others include. None if there is none, or several."""
    places = ((path, value_at(document.value, path)) for path in sources_of_kind(document, kind))
    found = [
        path
        for path, value in places
        if isinstance(value, dict) and all(value.get(key) == known[key] for key in known)
    ]
    return found[0] if len(found) == 1 else None


def sources_of_kind(document: Mapping, kind: str) -> Iterator[Path]:
    """Yield where sources of a kind stand, wherever in the text."""
    return (path for path, value in _mappings((), document.value) if value.get("kind") == kind)


def _ways(value: Any, steps: list[str], path: Path) -> Iterator[Path]:
    if not steps:
        yield path
    elif isinstance(value, list):
        index = int(steps[0]) if steps[0].isdecimal() and len(steps[0]) < 9 else -1
        if 0 <= index < len(value):
            yield from _ways(value[index], steps[1:], (*path, index))
    elif isinstance(value, dict):
        for n in range(1, len(steps) + 1):
            key = "/".join(steps[:n])
            if key in value:
                yield from _ways(value[key], steps[n:], (*path, key))


def _mappings(path: Path, value: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from _mappings((*path, key), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _mappings((*path, index), item)


def _holders(path: Path, value: Any, key: str) -> Iterator[tuple[Path, Any]]:
    for place, mapping in _mappings(path, value):
        if key in mapping:
            yield (*place, key), mapping[key]


def _has_variable(value: Json) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return any(map(_has_variable, value))
    return isinstance(value, str) and "%{" in value
