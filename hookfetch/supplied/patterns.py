"""What a text in a client's element may be. Pure.

Every pattern is of ASCII and of a whole text: no blank, no control character, no quote, no `%` (of
BuildStream's `%{variable}` and of a URL's escapes) and nothing that begins as an option of a program does.
"""

import re
from collections.abc import Callable
from typing import Any

from pydantic import JsonValue

_MOST = 1000  # characters
_MOST_LISTED = 50

# Returns what the plugin is to read; ValueError, whose text says what is expected, for anything else.
Check = Callable[[Any], JsonValue]

_ALIAS = r"[A-Za-z0-9_][A-Za-z0-9_+.-]*"
# A path below an alias, with no escape and no query: parts that go nowhere but down.
_PART = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_~.+@,=-]+"
_ADDRESS = re.compile(rf"{_ALIAS}:(?!-){_PART}(?:/{_PART})*/?")
# git-check-ref-format(1), narrowed to what needs no escape anywhere.
_NAME = r"(?![-/.])(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))[A-Za-z0-9_.+@/-]+(?<![/.])"
_GIT_NAME = re.compile(_NAME)
# fnmatch(3), over such names.
_GIT_GLOB = re.compile(r"(?![-/])(?!.*(?:\.\.|//|@\{))[A-Za-z0-9_.+@/*?\[\]!-]+")
_COMMIT = r"[0-9a-f]{40}"
# As `git describe` writes it, or the commit alone.
_GIT_REF = re.compile(rf"(?:{_NAME}-[0-9]+-g)?{_COMMIT}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIRECTORY = re.compile(
    r"(?!\.{1,2}(?:/|$))(?!-)[A-Za-z0-9_.+@~-]+(?:/(?!\.{1,2}(?:/|$))(?!-)[A-Za-z0-9_.+@~-]+)*"
)
_BASE = re.compile(r"(?![-/])(?!.*(?:^|/)\.\.(?:/|$))[A-Za-z0-9_.+@~*?\[\]!/-]+")
_TRUTH = {"true": True, "True": True, "false": False, "False": False}


def _text(pattern: re.Pattern[str], expected: str) -> Check:
    def check(value: Any) -> JsonValue:
        if not isinstance(value, str) or len(value) > _MOST or not pattern.fullmatch(value):
            raise ValueError(f"is not {expected}")
        return value

    return check


address = _text(_ADDRESS, "`alias:path` with an alias of the project and a plain path below it")
git_name = _text(_GIT_NAME, "the plain name of a branch, a tag or a ref")
git_glob = _text(_GIT_GLOB, "the plain name of a branch, a tag or a ref, or a glob of such names")
git_ref = _text(_GIT_REF, "a commit, or a commit as `git describe` writes it")
checksum = _text(_SHA256, "a SHA-256 in hexadecimal")
directory = _text(_DIRECTORY, "a plain path within the element")
base_directory = _text(_BASE, "a plain path within the archive, or a glob of such paths")


def truth(value: Any) -> JsonValue:
    """Check that it is a boolean."""
    if not isinstance(value, str) or value not in _TRUTH:
        raise ValueError("is neither `true` nor `false`")
    return _TRUTH[value]


def one_of(*choices: str) -> Check:
    """Return a check for one of these texts."""

    def check(value: Any) -> JsonValue:
        if value not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return str(value)

    return check


def list_of(each: Check) -> Check:
    """Return a check for a list of what `each` lets pass."""

    def check(value: Any) -> JsonValue:
        if not isinstance(value, list) or len(value) > _MOST_LISTED:
            raise ValueError(f"is not a list of at most {_MOST_LISTED}")
        return [each(item) for item in value]

    return check
