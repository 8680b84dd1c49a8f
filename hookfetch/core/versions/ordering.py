"""The order of versions, whatever scheme they follow. Pure; never says whether a version is a release.

The order is Repology's (https://github.com/repology/libversion, doc/ALGORITHM.md), which holds for the
versions of all distributions. The library itself is in C and has no wheels.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import total_ordering
from itertools import zip_longest

MAX_VERSION = 256  # characters; what is longer is compared by its beginning

_COMPONENT = re.compile(r"[0-9]+|[A-Za-z]+")
_PRE, _ZERO, _POST, _NUMBER, _LETTER = range(5)
_PRE_WORDS = ("alpha", "beta", "rc", "pre")
_POST_WORDS = ("patch", "post", "pl", "errata")
_Component = tuple[int, int, str]  # rank, length, digits or first letter: compared as a number or a letter
_END: _Component = (_ZERO, 0, "")


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A version that can be compared; `1.0` and `1.0.0` are equal. `p_is_patch`: the project writes
    patches as `1.9p5`; without it that is a pre-release of 1.9."""

    text: str
    p_is_patch: bool = False
    components: tuple[_Component, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "components", _components(self.text[:MAX_VERSION], self.p_is_patch))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and all(a == b for a, b in self._pairs(other))

    def __lt__(self, other: "Version") -> bool:
        return next((a < b for a, b in self._pairs(other) if a != b), False)

    def __hash__(self) -> int:
        end = len(self.components)
        while end and self.components[end - 1] == _END:
            end -= 1
        return hash(self.components[:end])

    def _pairs(self, other: "Version") -> Iterator[tuple[_Component, _Component]]:
        return zip_longest(self.components, other.components, fillvalue=_END)


def _components(text: str, p_is_patch: bool) -> tuple[_Component, ...]:
    found = list(_COMPONENT.finditer(text))
    following = [*found[1:], None]
    return tuple(
        _component(each, text, after is not None and after.start() == each.end(), p_is_patch)
        for each, after in zip(found, following, strict=False)
    )


def _component(found: re.Match[str], text: str, number_follows: bool, p_is_patch: bool) -> _Component:
    part = found.group().lower()
    if part[0].isdigit():
        digits = part.lstrip("0")
        return (_NUMBER, len(digits), digits) if digits else _END
    if part.startswith(_PRE_WORDS):
        rank = _PRE
    elif part.startswith(_POST_WORDS) or (p_is_patch and part == "p"):
        rank = _POST
    elif found.start() and text[found.start() - 1].isdigit() and not number_follows:
        rank = _LETTER
    else:
        rank = _PRE
    return (rank, 1, part[0])
