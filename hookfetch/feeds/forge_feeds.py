"""What the entries of a forge's Atom or RSS feed say was released. Pure.

A title is free text in most of them; the tag stands in the entry's link or id.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from hookfetch.core.releases import Reading, Release
from hookfetch.core.versions import in_file, in_text
from hookfetch.feeds.document import Document, Unreadable, usable
from hookfetch.feeds.syndication import Entry, entries
from hookfetch.feeds.tags import tagged

_GITHUB_ID = re.compile(r"tag:[^,]+,2008:Repository/[0-9]+/(.+)", re.DOTALL)
# A repository or a tag may hold the words, too: what is surest is tried first.
_TAGS_IN_PATH = (re.compile(r"/releases/tag/(.+)"), re.compile(r"/(?:src/tag|releases|tags|tag)/(.+)"))
_COMMIT = re.compile(r"/commit(?:s|diff)?/|a=commit(?:diff)?(?:;|&|$)|^urn:sha1:|:Grit::Commit/")
_DOWNLOAD = re.compile(r"/download/?")
_PROJECT = re.compile(r"/(?:project|package|gems|dist)/([^/]+)/v?([0-9][^/]*)/?")


def _feed(release: Callable[[Entry], Release | None]) -> Callable[[Document], Reading]:
    """Return a reader of feeds with one release for each entry, or none."""

    def read(document: Document) -> Reading:
        found = entries(document)
        if found and all(_COMMIT.search(entry.id) or _COMMIT.search(entry.link or "") for entry in found):
            raise Unreadable("this is a feed of commits, which are no releases; follow the repository's tags")
        return Reading(releases=tuple(filter(None, map(release, found))))

    return read


def commits(document: Document) -> Reading:
    """Refuse a feed of cgit or gitweb, whatever is in it: their entries are commits."""
    of = f" ({document.url})" if document.url else ""
    raise Unreadable(f"feeds of cgit and gitweb tell of commits, which are no releases{of}; follow the tags")


def _tagged(entry: Entry, tag: str) -> Release | None:
    """Return the release of an entry with this tag; None where it is no tag of git's."""
    return tagged(tag, published=entry.published, urls=_urls(entry)) if usable(tag) else None


def _urls(entry: Entry) -> tuple[str, ...]:
    return (*entry.files, *((entry.link,) if entry.link else ()))


def _by_link(entry: Entry) -> Release | None:
    path = _path(entry).rstrip("/")
    found = next(filter(None, (pattern.search(path) for pattern in _TAGS_IN_PATH)), None)
    return _tagged(entry, unquote(found[1])) if found else None


def _path(entry: Entry) -> str:
    return urlsplit(entry.link).path if entry.link else ""


def _github(entry: Entry) -> Release | None:
    found = _GITHUB_ID.fullmatch(entry.id)  # its tag is not encoded, unlike the link's
    return _tagged(entry, found[1]) if found else _by_link(entry)


def _gitlab(entry: Entry) -> Release | None:
    path = _path(entry)
    place = path.find("/-/")
    if place < 0:
        return _by_link(entry)
    section, _, tag = path[place + 3 :].partition("/")
    return _tagged(entry, unquote(tag)) if section in ("tags", "releases") else None


def _sourceforge(entry: Entry) -> Release | None:
    path = entry.title if entry.title.startswith("/") else unquote(_DOWNLOAD.sub("", _path(entry)))
    spelled = in_file(path.rpartition("/")[2])
    if spelled is None:
        return None
    return Release(
        version=spelled.version,
        name=spelled.name or None,
        published=entry.published,
        urls=tuple(dict.fromkeys(_urls(entry))),
    )


def _kernel(entry: Entry) -> Release | None:
    # "4.19.315 [EOL]: longterm"
    text, _, moniker = entry.title.partition(":")
    version = next(iter(text.split()), None)
    if not moniker or version is None:
        return None
    return Release(
        version=version,
        prerelease=True if moniker.strip() == "linux-next" else None,
        published=entry.published,
        urls=_urls(entry),
    )


def _registry(entry: Entry) -> Release | None:
    """Return a release of PyPI's or npm's feed: the title is the version, `name version`, or a name alone."""
    found = _PROJECT.search(_path(entry))
    words = entry.title.split()
    version = found[2] if found else words[-1] if words and words[-1][:1].isdigit() else None
    if version is None:
        return None
    name = found[1] if found else words[0] if len(words) > 1 else None
    return Release(version=unquote(version), name=name, published=entry.published, urls=_urls(entry))


def _generic(entry: Entry) -> Release | None:
    """Return what is plainly a release in a feed of any kind: a file, a tag, a version in the title."""
    for guess in (_github, _gitlab):
        release = guess(entry)
        if release is not None and release.version is not None:
            return release
    for url in _urls(entry):
        spelled = in_file(unquote(_DOWNLOAD.sub("", urlsplit(url).path)).rpartition("/")[2])
        if spelled:
            return Release(
                version=spelled.version, name=spelled.name, published=entry.published, urls=_urls(entry)
            )
    version = in_text(entry.title)
    return Release(version=version, published=entry.published, urls=_urls(entry)) if version else None


github = _feed(_github)
gitlab = _feed(_gitlab)
gitea = _feed(_by_link)
sourceforge = _feed(_sourceforge)
kernel = _feed(_kernel)
registry = _feed(_registry)
generic = _feed(_generic)
