"""Which release is an element updated to? Pure: the time is given, and nothing is looked up.

An update never goes down, never to what was taken back, and to a pre-release only where the element is on
one already or its rules say so. What is doubtful is left to a person: not choosing costs a day, choosing
wrongly a broken build.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from hookfetch.core.releases import Release
from hookfetch.core.versions.ordering import Version
from hookfetch.core.versions.prereleases import is_prerelease, variant

_PATCHES_BY_P = re.compile(r"[0-9][._-]?[pP][0-9]")
_FIRST_NUMBER = re.compile(r"[0-9]+")
_DATES = range(1990, 2100)
_COMPACT_DATES = range(19900101, 21000101)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a person says of an element's updates; as it is, nothing.

    `series`: a pattern like `2.80.*` that each version must match. `prereleases`: whether they are wanted;
    None: if the element is on one. `odd_even`: an odd minor number is a development series, below 40 (as at
    GNOME). `minimum_age`: of a release, by its own clock, or since it was first seen where that has
    none or is ahead of ours. `name`: of several things that the source tells of, the one
    meant; None: the one without a name, or the only one.
    """

    series: str | None = None
    prereleases: bool | None = None
    odd_even: bool = False
    minimum_age: timedelta = timedelta(0)
    name: str | None = None


def choose(
    current: str,
    releases: Iterable[Release],
    rules: Rules,
    now: datetime,
    first_seen: Mapping[str, datetime] | None = None,
) -> Release | None:
    """Return the release that an element at version `current` is updated to; None to stay.

    `first_seen` says since when a version is known; one that is not in it is seen now. Of several that
    are equal (`1.0` and `1.0.0`) the first is returned.
    """
    seen = first_seen or {}
    p_is_patch = _PATCHES_BY_P.search(current) is not None
    at = Version(current, p_is_patch)
    named = _named(releases, rules.name)
    wants_prereleases = rules.prereleases
    if wants_prereleases is None:
        wants_prereleases = is_prerelease(current, odd_even=rules.odd_even) or any(
            release.prerelease and release.version == current for release in named
        )
    best: Release | None = None
    newest_yet = at
    for release in named:
        text = release.version
        if text is None or not _is_usable(release) or not _is_like(current, text):
            continue
        if not wants_prereleases and not _is_final(release, rules):
            continue
        version = Version(text, p_is_patch)
        if version > newest_yet and _is_in_series(text, rules) and _is_old_enough(release, rules, now, seen):
            best, newest_yet = release, version
    return best


def newest(releases: Iterable[Release], rules: Rules = Rules()) -> Release | None:
    """Return the newest release that is none of a variant, a platform or a development series; None
    where there is none, or where `releases` are of several things and `rules` do not say which is meant."""
    final = [
        release
        for release in _named(releases, rules.name)
        if release.version is not None and _is_usable(release) and _is_final(release, rules)
    ]
    plain = [release for release in final if not variant(release.version or "")]
    return max(plain or final, key=lambda release: Version(release.version or ""), default=None)


def _named(releases: Iterable[Release], name: str | None) -> list[Release]:
    """Return the releases of one thing: that of this name, else the one without a name, else the only one."""
    by_name: dict[str, list[Release]] = {}
    for release in releases:
        by_name.setdefault((release.name or "").casefold(), []).append(release)
    if name is not None:
        return by_name.get(name.casefold(), [])
    if len(by_name) == 1:
        return next(iter(by_name.values()))
    return by_name.get("", [])


def _is_usable(release: Release) -> bool:
    return not release.yanked and release.platform is None


def _is_final(release: Release, rules: Rules) -> bool:
    return not release.prerelease and not is_prerelease(release.version or "", odd_even=rules.odd_even)


def _is_in_series(version: str, rules: Rules) -> bool:
    return rules.series is None or fnmatchcase(version, rules.series)


def _is_like(current: str, version: str) -> bool:
    """Return whether both are versions of one scheme and variant: 20240101 is higher than 1.2, and no
    update of it."""
    return variant(version) == variant(current) and (_is_date(current) or not _is_date(version))


def _is_date(version: str) -> bool:
    number = _FIRST_NUMBER.search(version)
    if number is None or len(number.group()) not in (4, 8):
        return False
    return int(number.group()) in (_DATES if len(number.group()) == 4 else _COMPACT_DATES)


def _is_old_enough(release: Release, rules: Rules, now: datetime, first_seen: Mapping[str, datetime]) -> bool:
    if not rules.minimum_age:
        return True
    published = release.published
    if published is None or published > now:
        published = first_seen.get(release.version or "", now)
    return now - published >= rules.minimum_age
