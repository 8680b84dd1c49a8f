"""Positions in the projects' logs, and the opaque cursor that holds several of them. Pure.

A cursor is `<project>/<log id>:<number>`, joined by commas, sorted by project. The project
stands in it so that a position in a log which this gateway has not read yet is told apart
from one in a log that was begun anew: the first waits, the second is compacted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

MAX_CURSOR = 65536  # bytes; several hundred projects
_MAX_DIGITS = 18


class BadCursor(Exception):
    """A text is no cursor; its own text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Position:
    """Just after entry `number` of a project's log; 0 is before its first."""

    project: str
    log_id: str
    number: int

    def __str__(self) -> str:
        return f"{quote(self.project, safe='')}/{quote(self.log_id, safe='')}:{self.number}"


Positions = Mapping[str, Position]  # by project


def dump_cursor(positions: Iterable[Position]) -> str:
    """Return the cursor of `positions`, which name each project once."""
    return ",".join(sorted(map(str, positions)))


def load_cursor(text: str) -> Positions:
    """Return the positions in `text`; BadCursor when it has another form."""
    if len(text.encode()) > MAX_CURSOR:
        raise BadCursor(f"a cursor has at most {MAX_CURSOR} bytes")
    positions: dict[str, Position] = {}
    for item in text.split(",") if text else ():
        position = _load_position(item)
        if position.project in positions:
            raise BadCursor("the cursor names a project twice")
        positions[position.project] = position
    return positions


def _load_position(item: str) -> Position:
    project, slash, rest = item.partition("/")
    log_id, colon, digits = rest.partition(":")
    if not (project and slash and log_id and colon):
        raise BadCursor("not a cursor that was given out here")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
        raise BadCursor("the cursor holds a position that is no number")
    return Position(unquote(project), unquote(log_id), int(digits))
