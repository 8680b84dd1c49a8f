"""What changes in a project's texts so that they have the announced refs, and which cannot be? Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hookfetch import edits
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Change
from hookfetch.edits import Refused
from hookfetch.updates.as_written import place_moves
from hookfetch.updates.places import Files, Found, Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A file whose text changes; `before` is None where there is no file yet (project.refs)."""

    path: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`files` in the order of their paths. By element: which files change for it, that none has to, or why
    it is left as it is. Each element of the proposal is in one of the three."""

    files: tuple[Edited, ...]
    written: Mapping[str, tuple[str, ...]]
    landed: tuple[str, ...]
    refused: Mapping[str, str]


_Wanted = dict[str, dict[str, list[edits.Change]]]  # by element, then by path


def plan(proposed: Mapping[str, Sequence[Change]], files: Files) -> Plan:
    """Return what writing the changes of elements takes: all sources of an element, or none of them.

    ConfigurationError when `files` are of no project.
    """
    places = Places(files)
    wanted: _Wanted = {}
    landed: list[str] = []
    refused: dict[str, str] = {}
    for element, changes in proposed.items():
        try:
            by_path: dict[str, list[edits.Change]] = {}
            for change in changes:
                for found in (places.find(element, change), *_beside_ref(places, element, change)):
                    if found.changes:
                        by_path.setdefault(found.path, []).extend(found.changes)
        except Refused as error:
            refused[element] = str(error)
        else:
            if by_path:
                wanted[element] = by_path
            else:
                landed.append(element)
    edited = _edited(places, wanted, refused)
    return Plan(
        files=tuple(edited[path] for path in sorted(edited)),
        written={element: tuple(sorted(by_path)) for element, by_path in wanted.items()},
        landed=tuple(landed),
        refused=refused,
    )


def _beside_ref(places: Places, element: str, change: Change) -> list[Found]:
    """Return what a newer version changes beside the ref of a source."""
    if change.moved is None:
        return []
    source = SourceRef(index=change.index, kind=change.kind, url=change.base_url, ref=change.base)
    return place_moves(places, element, source, change.moved)


def _edited(places: Places, wanted: _Wanted, refused: dict[str, str]) -> dict[str, Edited]:
    """Return the files by path; what cannot be written goes from `wanted` to `refused`."""
    edited: dict[str, Edited] = {}
    while True:
        paths = sorted({path for by_path in wanted.values() for path in by_path} - edited.keys())
        if not paths:
            return edited
        for path in paths:
            before = places.text(path)
            changes = [change for by_path in wanted.values() for change in by_path.get(path, ())]
            try:
                after = edits.edited_document(before or "", places.document(path), changes)
            except Refused:
                for element, reason in _misfits(places, path, wanted).items():
                    refused[element] = reason
                    for other in wanted.pop(element):
                        edited.pop(other, None)  # made again without it
                break
            edited[path] = Edited(path=path, before=before, after=after)


def _misfits(places: Places, path: str, wanted: _Wanted) -> dict[str, str]:
    """Return the elements whose changes of one file cannot be made with those of the elements before them."""
    kept: list[edits.Change] = []
    misfits: dict[str, str] = {}
    for element, by_path in wanted.items():
        if path not in by_path:
            continue
        try:
            edits.edited_document(places.text(path) or "", places.document(path), [*kept, *by_path[path]])
        except Refused as error:
            misfits[element] = f"{path}: {error}"
        else:
            kept += by_path[path]
    return misfits
