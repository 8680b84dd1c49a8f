"""Is a version a pre-release by its spelling, and which variant of a release is it? Pure."""

import re

_WORD = re.compile(r"([0-9]?)([A-Za-z]+)([0-9]?)")
_NUMBERS = re.compile(r"v?([0-9]{1,9})\.([0-9]{1,9})(?![0-9])")
_PRE_WORDS = frozenset(
    re.findall(
        r"\w+",
        "alpha beta rc cr dev devel snapshot nightly canary unstable experimental wip next test testing ea"
        " milestone insider insiders git svn hg bzr cvs rawhide early",
    )
)
_PRE_LETTERS = frozenset("abcm")  # before a number: 3.12.0b1, 1.0-M2
_NEUTRAL = frozenset(
    re.findall(r"\w+", "final ga release stable post patch pl errata p r u sp fix hotfix rev v version")
)
_LAST_ODD_EVEN = 39  # GNOME numbers by 40, 41, … since; before, an odd minor number was a development series
_FIRST_OF_DEVELOPMENT = 90  # 3.99, 2.90: the way to the next round number


def is_prerelease(version: str, *, odd_even: bool = False) -> bool:
    """Return whether the version's words say that it is none for everyone; with `odd_even` also whether
    its minor number does (GNOME's scheme until 40: 3.37.2, 2.79.1, 3.99.0)."""
    if any(_is_pre(*found.groups()) for found in _WORD.finditer(version)):
        return True
    numbers = _NUMBERS.match(version) if odd_even else None
    if numbers is None or int(numbers[1]) > _LAST_ODD_EVEN:
        return False
    minor = int(numbers[2])
    return minor % 2 == 1 or minor >= _FIRST_OF_DEVELOPMENT


def variant(version: str) -> frozenset[str]:
    """Return the words of a version that say neither how finished nor how often mended it is: `23.5-jre`
    is another thing than `23.5-android`, and `140.1.0esr` than `141.0`."""
    return frozenset(
        word
        for before, text, after in (found.groups() for found in _WORD.finditer(version))
        if not _is_pre(before, text, after)
        and (word := text.lower()) not in _NEUTRAL
        and not (len(word) == 1 and before)  # the letter in 1.1.1w counts
    )


def _is_pre(_: str, text: str, after: str) -> bool:
    word = text.lower()
    return word in _PRE_WORDS or word.startswith("pre") or bool(after and word in _PRE_LETTERS)
