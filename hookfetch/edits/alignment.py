"""Which items of a new list are those of the old one. Pure."""

import json
from bisect import bisect_left
from collections.abc import Hashable, Iterator, Sequence

from hookfetch.edits.document import Value

Pair = tuple[int | None, int | None]


def aligned(old: Sequence[Value], new: Sequence[Value]) -> list[Pair]:
    """Return (old index, new index) in the order of both lists: an item kept or changed has two, an item
    that goes only the first, one that comes only the second.

    Equal items are the same one, then mappings with one `name` (crates, modules); what has no name is the
    same one by its place, where between two of those as many come as go.
    """
    pairs: list[Pair] = []
    for before, after in _stretches(_common(_texts(old), _texts(new)), len(old), len(new)):
        names = _common([_name(old[i]) for i in before], [_name(new[j]) for j in after])
        for some, others in _stretches(names, len(before), len(after)):
            goes, comes = [before[i] for i in some], [after[j] for j in others]
            if [_named(old[i]) for i in goes] == [_named(new[j]) for j in comes]:
                pairs.extend(zip(goes, comes, strict=True))
            else:
                pairs.extend([*((i, None) for i in goes), *((None, j) for j in comes)])
    return pairs


def _stretches(
    common: list[tuple[int, int]], old: int, new: int
) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Yield what lies between pairs, and each pair, as indices of both lists."""
    i = j = 0
    for at, to in [*common, (old, new)]:
        if i < at or j < to:
            yield range(i, at), range(j, to)
        if at < old and to < new:
            yield [at], [to]
        i, j = at + 1, to + 1


def _common(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return a common subsequence, the longest one where nothing stands twice: pairs of indices.

    O(n log n): the longest increasing sequence of places in `new`.
    """
    places = {key: j for j, key in enumerate(new)}
    tails: list[int] = []
    ends: list[tuple[int, int]] = []
    links: dict[int, tuple[int, int] | None] = {}
    for i, key in enumerate(old):
        j = places.get(key)
        if j is None:
            continue
        at = bisect_left(tails, j)
        links[i] = ends[at - 1] if at else None
        tails[at : at + 1] = [j]
        ends[at : at + 1] = [(i, j)]
    found: list[tuple[int, int]] = []
    step = ends[-1] if ends else None
    while step is not None:
        found.append(step)
        step = links[step[0]]
    return found[::-1]


def _texts(values: Sequence[Value]) -> list[Hashable]:
    return [json.dumps(value, sort_keys=True) for value in values]


def _named(value: Value) -> str | None:
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) else None


def _name(value: Value) -> Hashable:
    return _named(value) or object()
