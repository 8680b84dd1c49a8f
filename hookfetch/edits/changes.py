"""A file's text and changes of its values in, the changed text out. Pure.

Only what changes is replaced, from positions; nothing is written anew. What came out is read again and
must mean what was asked and nothing else, else it is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hookfetch.edits.document import MAX_DEPTH, Mapping, Refused, Value, parse
from hookfetch.edits.structure import Rewriter, Splice, spliced

Path = tuple[str | int, ...]
Json = Any  # what json.loads gives: a ref as BuildStream's plugins have it

MAX_GAP = 100  # sources of an element before the one whose ref is the first to be written


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The value at `path` (keys and, in lists, indices from 0) is `before`, and shall be `after`.

    `before` is None where there is none yet; then the key is added, and what is missing above it.
    """

    path: Path
    before: Json
    after: Json


def edited(text: str, changes: Iterable[Change]) -> str:
    """Return the text with all `changes` made, or raise Refused, whose text says why.

    `text` is a file's bytes decoded as UTF-8 and nothing else (`bytes.decode()`: line ends and a byte
    order mark stay), so that every byte that is not part of a change stays as it is.
    """
    return edited_document(text, parse(text), changes)


def edited_document(text: str, document: Mapping, changes: Iterable[Change]) -> str:
    """The same, of a text that is parsed already."""
    wanted = _Wanted(document)
    for change in changes:
        wanted.change(change)
    splices: list[Splice] = list(Rewriter(text, wanted.copies).splices(document, wanted.root))
    result = spliced(text, splices)
    if splices and not _means(result, wanted.root):
        raise Refused("the changed text would not mean this and nothing else: a person has to write it")
    return result


def _means(text: str, value: Value) -> bool:
    try:
        return parse(text).value == value
    except Refused:
        return False


def value_at(root: Value, path: Path) -> Value | None:
    """Return what stands at `path` of a document's value, None if nothing does."""
    value: Any = root
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step] if 0 <= step < len(value) else None
        else:
            return None
    return value  # type: ignore[no-any-return]


class _Wanted:
    """What the document shall mean: its own value, with copies where something changes."""

    def __init__(self, document: Mapping) -> None:
        self._old = document.value
        self._made: dict[Path, Value] = {}
        self._above: set[Path] = set()
        self._copies: dict[int, Any] = {}
        self.root: dict[str, Any] = document.value

    @property
    def copies(self) -> set[int]:
        """The ids of the containers that were copied: their items are where they were."""
        return set(self._copies)

    def change(self, change: Change) -> None:
        """Take a change up; raise Refused if it is not possible, or not together with those before."""
        path = change.path
        where = "/".join(map(str, path))
        after = normal(change.after, where)
        if after is None or not path or not isinstance(path[-1], str):
            raise Refused(f"{where} would be removed, which is a person's to do")
        above = {path[:n] for n in range(1, len(path))}
        if path in self._above or not above.isdisjoint(self._made):
            raise Refused(f"{where} is changed together with what it is part of")
        if self._made.setdefault(path, after) != after:
            raise Refused(f"{where} is asked to be two different values")
        self._above |= above
        current = value_at(self._old, path)
        if current == after:
            return
        before = change.before.strip() if isinstance(change.before, str) else normal(change.before, where)
        if (current or None) != (before or None):
            raise Refused(f"{where} is {_shown(current)} in the text, not {_shown(change.before)}")
        self._set(path, after)

    def _set(self, path: Path, after: Value) -> None:
        self.root = here = self._own(self.root, path[0])
        for step, following in pairwise(path):
            child = self._own(_child(here, step), following)
            _put(here, step, child)
            here = child
        _put(here, path[-1], after)

    def _own(self, value: Any, step: str | int) -> Any:
        """Return a copy of a container that `step` leads into; the same one if it is a copy already."""
        if id(value) in self._copies:
            return value
        copy: list[Any] | dict[str, Any] = [] if isinstance(step, int) else {}
        if value is not None and type(value) is not type(copy):
            raise Refused(f"{step!r} leads into {_shown(value)}, which holds no such place")
        copy = value.copy() if value is not None else copy
        self._copies[id(copy)] = copy
        return copy


def _child(holder: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return holder[step] if 0 <= step < len(holder) else None
    return holder.get(step)


def _put(holder: Any, step: str | int, value: Any) -> None:
    if isinstance(step, int):
        if not 0 <= step <= len(holder) + MAX_GAP:
            raise Refused(f"a list of {len(holder)} has no place {step}")
        # Sources without a ref, as BuildStream writes them.
        holder.extend({} for _ in range(len(holder), step + 1))
    holder[step] = value


def normal(value: Json, where: str, depth: int = 0) -> Value | None:
    """Return a ref as a text's value: null within one is the empty text that BuildStream reads there."""
    if value is None or isinstance(value, str):
        return value
    if depth < MAX_DEPTH:
        if isinstance(value, list):
            return [normal(item, where, depth + 1) or "" for item in value]
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {
                key: "" if item is None else normal(item, where, depth + 1) for key, item in value.items()
            }
    raise Refused(f"{where}: {_shown(value)} is neither a text nor a list or mapping of texts")


def _shown(value: Json) -> str:
    if value is None:
        return "not there"
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "…"
