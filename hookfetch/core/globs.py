"""BuildStream's globs over element names. Pure.

A pattern comes from anyone, so it is matched by sets of places rather than by one regular
expression: the cost grows with the name's length and the pattern's, never with the ways it could match.
"""

import re
from collections.abc import Iterable

_TOKEN = re.compile(r"(?P<stars>\*+)|(?P<any>\?)|\[(?P<not>!?)(?P<set>\]?[^\]]*)\]|(?P<text>.)", re.DOTALL)


def is_glob(text: str) -> bool:
    """Return whether `text` may match another name than itself."""
    return any(mark in text for mark in "*?[")


class Glob:
    """A pattern over element names: `*` is any text without `/`, `**` any text, `?` one
    character but `/`, `[…]` and `[!…]` one character of a set. There is no escape.

    ValueError when a set has no sense.
    """

    def __init__(self, pattern: str) -> None:
        # BuildStream compares with a leading slash on both sides, so one in the pattern says nothing.
        pattern = pattern.removeprefix("/")
        self._pieces = _pieces(pattern)
        self._begins = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
        self._least = sum(token["stars"] is None for token in _TOKEN.finditer(pattern))

    def matches(self, name: str) -> bool:
        """Return whether the pattern matches the whole of `name`."""
        if len(name) < self._least or not name.startswith(self._begins):
            return False  # most names of a large project, at a tenth of the cost
        places = {0}
        for piece in self._pieces:
            if isinstance(piece, str):
                places = _spread(places, name, crosses=piece == "**")
            else:
                found = (piece.match(name, place) for place in places)
                places = {match.end() for match in found if match is not None}
        return len(name) in places


def _spread(places: Iterable[int], name: str, *, crosses: bool) -> set[int]:
    """Return every place that a star reaches from any of `places`."""
    reached: set[int] = set()
    done = -1
    for place in sorted(places):
        if place <= done:
            continue  # a star from an earlier place in the same segment came by here
        slash = -1 if crosses else name.find("/", place)
        done = len(name) if slash < 0 else slash
        reached.update(range(place, done + 1))
    return reached


def _pieces(pattern: str) -> list[str | re.Pattern[str]]:
    """Return stars as text, and what stands between them as expressions of one fixed length."""
    pieces: list[str | re.Pattern[str]] = []
    fixed = ""
    for token in _TOKEN.finditer(pattern):
        if token["stars"] is None:
            fixed += _fixed(token)
            continue
        if fixed:
            pieces.append(_compile(fixed))
            fixed = ""
        pieces.append(token["stars"][:2])  # more of them are no more than two
    if fixed:
        pieces.append(_compile(fixed))
    return pieces


def _fixed(token: re.Match[str]) -> str:
    if token["any"] is not None:
        return "[^/]"
    if not token["set"]:
        return re.escape(token[0])  # a `[` without its end included
    members = re.sub(r"([\\\[\]^&~|])", r"\\\1", token["set"])
    return f"[{'^' if token['not'] else ''}{members}]"


def _compile(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression, re.DOTALL)
    except re.error as error:
        raise ValueError(f"a set of characters has no sense: {error}") from error
