"""Documents with one release a line: `git ls-remote`, Go's proxy and index, crates.io's and RubyGems'
sparse indexes. Pure."""

import re
from collections.abc import Iterator

import msgspec

from hookfetch.core.releases import Reading, Release
from hookfetch.feeds.document import MAX_RELEASES, Document, Unreadable, json, usable
from hookfetch.feeds.tags import tagged
from hookfetch.feeds.times import moment

_GO_VERSION = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*")
# A commit's time and name in place of a release: v0.0.0-20190410190852-abcdefabcdef.
_GO_PSEUDO = re.compile(r"[-.][0-9]{14}-[0-9a-f]{12}(?:\+incompatible)?$")
_GEM = re.compile(r"(?P<yanked>-?)(?P<version>(?P<number>[0-9][^ |,-]*)(?:-(?P<platform>[^ |,]+))?)(?: .*)?")
_TAG = re.compile(r"[0-9a-f]{40,64}\s+refs/tags/(.+)")


class _GoVersion(msgspec.Struct, gc=False):
    version: str = msgspec.field(name="Version")
    path: str | None = msgspec.field(default=None, name="Path")
    time: str | None = msgspec.field(default=None, name="Time")
    timestamp: str | None = msgspec.field(default=None, name="Timestamp")


class _CrateLine(msgspec.Struct, gc=False):
    vers: str
    yanked: bool = False


def go(document: Document) -> Reading:
    """Read `@v/list`, `@latest`, `@v/<version>.info` or the index of new versions of all modules, whose
    releases are named by their modules. Versions made of a commit are no releases."""
    if document.body.lstrip()[:1] == b"{":
        found = [_go_release(line) for line in _lines(document)]
    else:
        found = [_go_version(line) for line in _lines(document)]
    several = len({release.name for release in found}) > 1
    return Reading(
        releases=tuple(
            Release(version=each.version, name=each.name if several else None, published=each.published)
            for each in found
            if not _GO_PSEUDO.search(each.version or "")
        )
    )


def _go_release(line: bytes) -> Release:
    info = json(Document(body=line), _GoVersion)
    if usable(info.version) is None:
        raise Unreadable("the JSON has no usable version")
    return Release(version=info.version, name=info.path, published=moment(info.time or info.timestamp))


def _go_version(line: bytes) -> Release:
    version = line.decode("ascii", "replace")
    if not _GO_VERSION.fullmatch(version):
        raise Unreadable("the document is no list of versions by Go's module proxy")
    return Release(version=version)


def crates(document: Document) -> Reading:
    """Read a file of crates.io's sparse index: one JSON object a line."""
    found = [json(Document(body=line), _CrateLine) for line in _lines(document)]
    return Reading(
        releases=tuple(Release(version=each.vers, yanked=each.yanked) for each in found if usable(each.vers))
    )


def gems(document: Document) -> Reading:
    """Read a file of RubyGems' compact index, `/info/<name>`: `VERSION[-PLATFORM] …` a line after `---`. A
    version with a minus before it was yanked since."""
    lines = iter(_lines(document))
    if b"---" not in lines:
        raise Unreadable("the document is no file of a compact index: it has no line ---")
    found = [match for line in lines if (match := _GEM.fullmatch(line.decode("utf-8", "replace")))]
    yanked = {match["version"] for match in found if match["yanked"]}
    return Reading(
        releases=tuple(
            Release(version=match["version"], yanked=match["version"] in yanked, platform=match["platform"])
            for match in found
            if not match["yanked"] and usable(match["version"])
        )
    )


def git_tags(document: Document) -> Reading:
    """Read what `git ls-remote --tags` says; a tag and what it points to are one."""
    tags = dict.fromkeys(
        tag.removesuffix("^{}")
        for line in _lines(document)
        if (found := _TAG.fullmatch(line.decode("utf-8", "replace"))) and (tag := usable(found[1]))
    )
    if document.body.strip() and not tags:
        raise Unreadable("the document is no list of tags by git ls-remote")
    return Reading(releases=tuple(map(tagged, tags)))


def _lines(document: Document) -> Iterator[bytes]:
    """Yield the lines that are not blank, without their ends."""
    if document.body.count(b"\n") > MAX_RELEASES:
        raise Unreadable(f"the document has more than {MAX_RELEASES} lines")
    return (line.strip() for line in document.body.split(b"\n") if line.strip())
