"""Patterns over full git ref names, and the order of versions among them. Pure.

They are matched as the source plugins match them: on bytes, with Python's `fnmatch`, whose
`*` crosses `/` (buildstream-plugins-community 2.4.0, `_git_utils.pattern_to_regex`).
"""

import fnmatch
import re
from dataclasses import dataclass
from functools import lru_cache

# `fnmatch` makes every `*` atomic, so a match costs at most length of pattern times length of ref;
# both are bounded: this one here, a ref name where it is read.
MAX_PATTERN = 1024  # characters

_GLOB = re.compile(r"[*?\[]")
_VERSION_PARTS = re.compile(rb"[a-zA-Z]+|[0-9]+")

VersionKey = list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class RefPattern:
    """A glob below one of `roots` (`("refs/heads/", "refs/tags/")`), or a full pattern where
    `roots` is `("",)`.

    A glob longer than MAX_PATTERN matches everything below its literal beginning: a false match
    costs one look at the upstream, a miss costs an update.
    """

    roots: tuple[str, ...]
    glob: str

    @property
    def exact(self) -> bool:
        """Return whether the pattern is a plain name."""
        return _GLOB.search(self.glob) is None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the pattern below each of its roots."""
        return tuple(root + self.glob for root in self.roots)

    def matches(self, ref: str) -> bool:
        """Return whether the pattern matches the whole of a full ref name."""
        if self.exact:
            return ref in self.names
        if len(self.glob) > MAX_PATTERN:
            return ref.startswith(self.prefixes())
        return any(
            ref.startswith(root) and _compile(self.glob).match(_bytes(ref[len(root) :])) is not None
            for root in self.roots
        )

    def prefixes(self) -> tuple[str, ...]:
        """Return literal beginnings, bounded in length, that together every matching ref has one of."""
        glob = _GLOB.search(self.glob)
        literal = self.glob if glob is None else self.glob[: glob.start()]
        return tuple((root + literal)[:MAX_PATTERN] for root in self.roots)


@lru_cache(maxsize=4096)
def _compile(glob: str) -> re.Pattern[bytes]:
    return re.compile(_bytes(fnmatch.translate(glob)))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # a payload may hold half a surrogate pair


def version_key(ref: str) -> tuple[VersionKey, str]:
    """Return the key by which git_repo calls one ref newer than another.

    Runs of letters come before numbers, numbers compare as numbers, and separators do not
    count; of refs that are equal in this order, the name decides, so that a choice is stable.
    """
    parts: VersionKey = []
    for part in _VERSION_PARTS.findall(_bytes(ref)):
        # Without leading zeros, longer is larger: as integers, but with no limit on the digits.
        digits = part.lstrip(b"0")
        parts.append((-1, part) if part.isalpha() else (len(digits), digits))
    return parts, ref
