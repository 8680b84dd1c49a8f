"""YAML as BuildStream reads it, and where each value stands in the text. Pure.

BuildStream reads every scalar as a text without the blanks around it, and refuses anchors, aliases, tags of
its user's own, a key that is there twice, and a second document (`buildstream/_yaml.pyx`, `node.pyx`); so
does this, with the same parser.
"""

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined] # of whichever extension is there
from ruamel.yaml.error import YAMLError

from hookfetch.core.errors import HookfetchError

MAX_TEXT = 4 * 1024 * 1024  # characters of a file; BuildStream's own are a few hundred kilobytes
MAX_DEPTH = 64  # of collections in collections

# What a file holds; its scalars are all texts to BuildStream.
Value = str | list[Any] | dict[str, Any]

_BOM = "\ufeff"
_CORE_TAG = "tag:yaml.org,2002:"


class Refused(HookfetchError):
    """The text cannot be changed, or not without harm; says why, and where."""


@dataclass(slots=True)
class Scalar:
    """A text; `style` is its quote, `|` or `>`, empty if plain, and `tag` if it carries a tag."""

    start: int
    end: int
    value: str
    style: str = ""


@dataclass(slots=True)
class Mapping:
    """Keys and values in the order of the text."""

    start: int
    end: int
    flow: bool
    value: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, tuple[Scalar, "Node"]] = field(default_factory=dict)


@dataclass(slots=True)
class Sequence:
    """Items in order."""

    start: int
    end: int
    flow: bool
    value: list[Any] = field(default_factory=list)
    items: list["Node"] = field(default_factory=list)


# Positions count characters of the text; `end` is behind the last one, without trailing blanks,
# comments and line ends. `value` is what the node means.
Node = Scalar | Mapping | Sequence


def parse(text: str) -> Mapping:
    """Return the top-level mapping of a file's text, empty if it holds only comments.

    Raises Refused where BuildStream would not load it.
    """
    if len(text) > MAX_TEXT:
        raise Refused(f"the text has more than {MAX_TEXT} characters")
    shift = len(_BOM) if text.startswith(_BOM) else 0  # the parser does not count it
    try:
        parser = CParser(text[shift:])
        try:
            return _Tree(text, shift).read(parser)
        finally:
            parser.dispose()
    except (YAMLError, UnicodeError) as error:
        raise Refused(f"the text is not YAML: {' '.join(str(error).split())[:300]}") from error


def line_of(text: str, position: int) -> int:
    """Return the line of a position, counted from 1, for a person."""
    return text.count("\n", 0, position) + 1


class _Tree:
    """Builds the nodes from the parser's events, without recursion."""

    def __init__(self, text: str, shift: int) -> None:
        self._text = text
        self._shift = shift
        self._root: Mapping | None = None
        self._open: list[Mapping | Sequence] = []
        self._keys: list[Scalar | None] = []

    def read(self, parser: Any) -> Mapping:
        act = {
            "ScalarEvent": self._scalar,
            "MappingStartEvent": self._begin,
            "MappingEndEvent": self._end,
            "SequenceStartEvent": self._begin,
            "SequenceEndEvent": self._end,
            "AliasEvent": self._alias,
        }
        kind = ""
        while kind != "StreamEndEvent":
            event = parser.get_event()
            kind = type(event).__name__
            if kind in act:
                act[kind](event)
        return self._root or Mapping(len(self._text), len(self._text), flow=False)

    def _alias(self, event: Any) -> None:
        raise self._refused(event, "an anchor or alias, which BuildStream does not read")

    def _scalar(self, event: Any) -> None:
        if event.anchor is not None:
            self._alias(event)
        start = event.start_mark.index + self._shift
        end = event.end_mark.index + self._shift
        style = event.style or ""
        if event.tag is not None:
            if not event.tag.startswith(_CORE_TAG):
                raise self._refused(event, "a tag, which BuildStream does not read")
            style = "tag"
        elif style in ("|", ">"):
            end = start + len(self._text[start:end].rstrip())  # it counts the empty lines below as its own
        self._add(Scalar(start, end, event.value, style), event)

    def _begin(self, event: Any) -> None:
        if event.anchor is not None:
            self._alias(event)
        start = event.start_mark.index + self._shift
        of = Mapping if type(event).__name__ == "MappingStartEvent" else Sequence
        node = of(start, start, bool(event.flow_style))
        self._add(node, event)
        self._open.append(node)
        self._keys.append(None)
        if len(self._open) > MAX_DEPTH:
            raise self._refused(event, f"more than {MAX_DEPTH} collections in each other")

    def _end(self, event: Any) -> None:
        node = self._open.pop()
        self._keys.pop()
        if node.flow:
            node.end = event.end_mark.index + self._shift
        if self._open and not self._open[-1].flow:
            self._open[-1].end = node.end

    def _add(self, node: Node, event: Any) -> None:
        if not self._open:
            if self._root is not None or not isinstance(node, Mapping):
                raise self._refused(
                    event, "a second document, or no mapping, where BuildStream reads one mapping"
                )
            self._root = node
            return
        parent, key = self._open[-1], self._keys[-1]
        if isinstance(node, Scalar) and (key is not None or isinstance(parent, Sequence)):
            node.value = node.value.strip()  # as BuildStream does, but not to keys
        if isinstance(parent, Sequence):
            parent.items.append(node)
            parent.value.append(node.value)
        elif key is not None:
            parent.entries[key.value] = key, node
            parent.value[key.value] = node.value
            self._keys[-1] = None
        elif not isinstance(node, Scalar):
            raise self._refused(event, "a collection as a key, which BuildStream does not read")
        elif node.value in parent.entries:
            raise self._refused(event, f"the key {node.value!r} twice")
        else:
            self._keys[-1] = node
        if not parent.flow:
            parent.end = node.end

    def _refused(self, event: Any, what: str) -> Refused:
        return Refused(f"line {event.start_mark.line + 1} has {what}")
