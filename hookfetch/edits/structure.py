"""What to replace in the text so that a node means something else: only the scalars that differ, and whole
lines of items or keys that come or go. Pure."""

import re
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from hookfetch.edits.alignment import Pair, aligned
from hookfetch.edits.document import Mapping, Node, Refused, Scalar, Sequence, Value, line_of
from hookfetch.edits.layout import lines_of
from hookfetch.edits.scalars import plain_or_quoted, replacement

_DASH = re.compile(r" *- +")
_BEFORE_A_KEY = re.compile(r"(?: *- +)*[ ]*")


class Splice(NamedTuple):
    """Characters [start, end) of the text, and what stands there afterwards."""

    start: int
    end: int
    text: str


def spliced(text: str, splices: list[Splice]) -> str:
    """Return the text with every splice made; they must not overlap."""
    parts: list[str] = []
    at = 0
    for splice in sorted(splices, key=lambda splice: (splice.start, splice.end)):
        if splice.start < at:
            raise Refused(f"two changes meet in line {line_of(text, splice.start)}")
        parts += text[at : splice.start], splice.text
        at = splice.end
    return "".join([*parts, text[at:]])


class Rewriter:
    """Finds the splices of one text; `by_place` are the ids of lists whose items keep their places."""

    def __init__(self, text: str, by_place: set[int]) -> None:
        self._text = text
        self._by_place = by_place
        first = text.find("\n")
        self._newline = "\r\n" if first > 0 and text[first - 1] == "\r" else "\n"

    def splices(self, node: Node, wanted: Value, *, flow: bool = False) -> Iterator[Splice]:
        """Yield what makes `node` mean `wanted`; `flow` is whether it stands in a `{}` or `[]`."""
        if wanted is node.value:
            return
        if isinstance(node, Scalar) and isinstance(wanted, str):
            if node.value != wanted:
                yield Splice(*replacement(self._text, node, wanted, flow=flow))
        elif isinstance(node, Mapping) and isinstance(wanted, dict):
            yield from self._mapping(node, wanted)
        elif isinstance(node, Sequence) and isinstance(wanted, list):
            yield from self._sequence(node, wanted)
        else:
            raise self._refused(node, "holds a value of another shape than the new one")

    def _mapping(self, node: Mapping, wanted: dict[str, Value]) -> Iterator[Splice]:
        for key, (name, value) in node.entries.items():
            if key in wanted:
                yield from self.splices(value, wanted[key], flow=node.flow)
            else:
                yield self._without_entry(node, name, value)
        added = {key: value for key, value in wanted.items() if key not in node.entries}
        if added:
            kept = [value for key, (_, value) in node.entries.items() if key in wanted]
            yield self._with_entries(node, kept, added)

    def _without_entry(self, node: Mapping, name: Scalar, value: Node) -> Splice:
        start = self._line_start(name.start)
        if node.flow or self._text[start : name.start].strip(" "):
            raise self._refused(
                name, f"holds the key {name.value!r}, which does not stand alone in its lines"
            )
        return self._without_lines(start, value)

    def _with_entries(self, node: Mapping, kept: list[Node], added: dict[str, Value]) -> Splice:
        if not node.entries and not node.flow:  # a file of comments, or an empty one
            above = self._newline if self._text and not self._text.endswith("\n") else ""
            lines = self._newline.join(lines_of(added))
            return Splice(node.end, node.end, above + lines + self._newline)
        if node.entries and node.flow:
            return self._with_flow_entries(node, added)
        first = next(iter(node.entries.values()))[0].start if node.entries else node.start
        start = self._line_start(first)
        prefix = self._text[start:first]
        if not _BEFORE_A_KEY.fullmatch(prefix) or (node.flow and not prefix.strip(" ")):
            raise self._refused(node, "holds a mapping that hookfetch cannot add to")
        between = self._newline + " " * (first - start)
        if node.flow:  # `- {}`, as BuildStream leaves for a source without a ref
            return Splice(node.start, node.end, between.join(lines_of(added)))
        if not kept:
            raise self._refused(node, "holds a mapping of which nothing would stay")
        end = self._line_end(kept[-1].end)
        return Splice(end, end, between + between.join(lines_of(added)))

    def _with_flow_entries(self, node: Mapping, added: dict[str, Value]) -> Splice:
        *_, (_, last) = node.entries.values()
        written = []
        for key, value in added.items():
            if not isinstance(value, str):
                raise self._refused(node, "holds a mapping in braces, to which only texts can be added")
            written.append(f", {plain_or_quoted(key, flow=True)}: {plain_or_quoted(value, flow=True)}")
        return Splice(last.end, last.end, "".join(written))

    def _sequence(self, node: Sequence, wanted: list[Value]) -> Iterator[Splice]:
        pairs: list[Pair]
        if id(wanted) in self._by_place:
            pairs = [(i if i < len(node.items) else None, i) for i in range(len(wanted))]
        else:
            pairs = aligned(node.value, wanted)
        if not wanted or (not node.items and pairs):
            raise self._refused(node, "holds an empty list, or one of which nothing would stay")
        templates = {_shape(item.value): item for item in node.items}
        above: Node | None = None
        leading = takewhile(lambda pair: None in pair, pairs)
        top = self._top(node) if any(old is None for old, _ in leading) else 0
        for old, new in pairs:
            if old is None and new is not None:
                written = self._item(
                    node, wanted[new], [above or node.items[0], templates.get(_shape(wanted[new]))]
                )
                end = self._line_end(above.end) if above else top
                yield Splice(end, end, self._newline + written if above else written + self._newline)
            elif old is not None and new is None:
                yield self._without_item(node, node.items[old], node.items[old - 1] if old else None)
            elif old is not None and new is not None:
                above = node.items[old]
                yield from self.splices(above, wanted[new], flow=node.flow)

    def _without_item(self, node: Sequence, item: Node, above: Node | None) -> Splice:
        start = self._dash_line(node, item)
        gap = self._text[self._line_end(above.end) if above else start : start]
        if "#" in gap:
            raise self._refused(item, "goes, with a comment above it: whether that goes is a person's to say")
        return self._without_lines(start, item)

    def _top(self, node: Sequence) -> int:
        """Return where a new first item stands: above the first item and the comment that is above it."""
        start = self._dash_line(node, node.items[0])
        while start and self._text[self._line_start(start - 1) : start].lstrip().startswith("#"):
            start = self._line_start(start - 1)
        return start

    def _item(self, node: Sequence, value: Value, templates: list[Node | None]) -> str:
        """Return the lines of a new item, in the manner of one that is there, without the last line end."""
        for template in templates:
            if template is None or _shape(template.value) != _shape(value) or self._has_comment(template):
                continue
            start = self._dash_line(node, template)
            splices = [
                Splice(at - start, end - start, text) for at, end, text in self.splices(template, value)
            ]
            return spliced(self._text[start : template.end], splices)
        start = self._dash_line(node, node.items[0])
        indent = " " * (self._text.index("-", start) - start)
        between = self._newline + indent
        return indent + between.join(lines_of([value]))

    def _without_lines(self, start: int, node: Node) -> Splice:
        end = self._line_end(node.end)
        if self._has_comment(node):
            raise self._refused(node, "goes, with a comment in it: whether that goes is a person's to say")
        return Splice(start, end + (2 if self._text.startswith("\r\n", end) else 1), "")

    def _dash_line(self, node: Sequence, item: Node) -> int:
        start = self._line_start(item.start)
        if node.flow or not _DASH.fullmatch(self._text[start : item.start]):
            raise self._refused(item, "holds an item that does not stand in lines of its own")
        return start

    def _has_comment(self, node: Node) -> bool:
        """Whether a comment stands in the node's lines, or behind it: a `#` outside every scalar."""
        at = node.start
        for scalar in _scalars(node):
            if "#" in self._text[at : scalar.start]:
                return True
            at = scalar.end
        return "#" in self._text[at : self._line_end(node.end)]

    def _line_start(self, position: int) -> int:
        return self._text.rfind("\n", 0, position) + 1

    def _line_end(self, position: int) -> int:
        """Return where the line of `position` ends, before its line end."""
        end = self._text.find("\n", position)
        if end < 0:
            return len(self._text)
        return end - 1 if end > position and self._text[end - 1] == "\r" else end

    def _refused(self, node: Node, what: str) -> Refused:
        return Refused(f"line {line_of(self._text, node.start)} {what}")


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _scalars(item)
    else:
        for key, value in node.entries.values():
            yield key
            yield from _scalars(value)


def _shape(value: Value) -> object:
    return frozenset(value) if isinstance(value, dict) else type(value)
