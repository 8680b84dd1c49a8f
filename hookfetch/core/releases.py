"""What a feed says was released. Values; how versions are ordered and chosen is in `core/versions`."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release, as its source tells of it.

    `version`: None where none is plainly there. `tag`: the tag in git, as it is written. `name`: what was
    released, where the source tells of several things or writes it before the version. `prerelease`: what
    the source says; None where it says nothing. `yanked`: taken back, or not to be used. `published`: with
    a time zone; by the source's clock, which may be wrong. `urls`: its files, then its page. `platform`:
    for which alone it was built; None for sources.
    """

    version: str | None
    tag: str | None = None
    name: str | None = None
    prerelease: bool | None = None
    yanked: bool = False
    published: datetime | None = None
    urls: tuple[str, ...] = ()
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Where a maintainer looks for releases: the links in the page at `url` that match `pattern`, a
    regular expression of Perl. It comes from outside: it is shown, and not run."""

    url: str
    pattern: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one document says. `latest`: the version that the document itself calls so. `lookups`: of a
    document that names places in place of releases."""

    releases: tuple[Release, ...] = ()
    latest: str | None = None
    lookups: tuple[Lookup, ...] = ()
