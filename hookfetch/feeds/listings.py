"""Pages that list files or tags: directory listings of any server, cgit's and gitweb's tags, PyPI's simple
index. Pure.

The version is in the names of archives; signatures, checksums and everything else are no releases.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated
from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec
from lxml import etree

from hookfetch.core.releases import Reading, Release
from hookfetch.core.versions import in_file
from hookfetch.feeds.document import MANY, MAX_RELEASES, Document, Unreadable, json, usable
from hookfetch.feeds.links import MAX_PAGE, file_names, links
from hookfetch.feeds.registries import file_version, python_prerelease
from hookfetch.feeds.tags import tagged
from hookfetch.feeds.times import moment

_MAX_FILES = 100  # of one release
_FOLDER = re.compile(r"v?([0-9]+(?:\.[0-9]+)+)/")
_TAG_IN_QUERY = re.compile(r"refs/tags/(.+)")


class _NginxEntry(msgspec.Struct, gc=False):
    name: str
    type: str = "file"
    mtime: str | None = None


_NginxEntries = Annotated[list[_NginxEntry], MANY]


def directory(document: Document) -> Reading:
    """Read a listing by Apache, nginx, lighttpd or another server, or a page with links to archives."""
    files = (
        Release(version=None, name=name, urls=_urls(document, link.href))
        for name, link in file_names(links(document))
    )
    return _listing(files)


def nginx(document: Document) -> Reading:
    """Read nginx's listing (ngx_http_autoindex_module) in JSON or XML."""
    entries = _nginx_xml(document) if document.body.lstrip()[:1] == b"<" else json(document, _NginxEntries)
    return _listing(
        Release(
            version=None,
            name=entry.name + "/" * (entry.type == "directory"),
            published=moment(entry.mtime),
            urls=_urls(document, quote(entry.name)),
        )
        for entry in entries
        if usable(entry.name)
    )


def _nginx_xml(document: Document) -> list[_NginxEntry]:
    if len(document.body) > MAX_PAGE:
        raise Unreadable(f"the listing has more than {MAX_PAGE} bytes")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    if b"<!DOCTYPE" in document.body:
        raise Unreadable("the listing declares a document type, which nginx never does")
    try:
        root = etree.fromstring(document.body, parser)
    except (etree.LxmlError, ValueError) as error:
        raise Unreadable("the listing is not XML") from error
    if root.tag != "list" or len(root) > MAX_RELEASES:
        raise Unreadable("the XML is no listing of nginx's")
    return [
        _NginxEntry(name=child.text or "", type=str(child.tag), mtime=child.get("mtime")) for child in root
    ]


def _listing(named: Iterator[Release]) -> Reading:
    """Return the releases among files: `named` are files whose name is their full name. Several
    files of one release are one; folders count where no archive has a version."""
    archives: dict[tuple[str, str], Release] = {}
    folders: list[Release] = []
    for file in named:
        name = file.name or ""
        spelled = in_file(name)
        folder = _FOLDER.fullmatch(name)
        if spelled:
            key = spelled.name, spelled.version
            first = archives.get(key)
            archives[key] = (
                replace(first, urls=_merged(first.urls, file.urls))
                if first
                else replace(file, name=spelled.name or None, version=spelled.version)
            )
        elif folder:
            folders.append(replace(file, name=None, version=folder[1]))
    return Reading(releases=tuple(archives.values()) or tuple(folders))


def git_tags(document: Document) -> Reading:
    """Read the page of tags of cgit or gitweb."""
    tags: dict[str, Release] = {}
    for link in links(document):
        tag = _tag(link.href)
        if tag is not None and tag not in tags:
            tags[tag] = tagged(tag, urls=_urls(document, link.href))
    return Reading(releases=tuple(tags.values()))


def _tag(href: str) -> str | None:
    """Return the tag that a link of cgit (`/tag/?h=v1`, `/tag/?id=v1`) or gitweb
    (`a=shortlog;h=refs/tags/v1`) leads to."""
    try:
        parts = urlsplit(href)
        query = parse_qs(parts.query.replace(";", "&"), max_num_fields=20)
    except ValueError:
        return None
    for value in query.get("h", []) + query.get("id", []):
        found = _TAG_IN_QUERY.fullmatch(value)
        if found:
            return usable(found[1])
        if parts.path.endswith("/tag/"):
            return usable(value)
    # gitweb with path_info: /foo.git/shortlog/refs/tags/v1
    found = re.search(r"/shortlog/refs/tags/(.+)", parts.path)
    return usable(unquote(found[1])) if found else None


def pypi_simple(document: Document) -> Reading:
    """Read PyPI's simple index as HTML (PEP 503); yanked as in PEP 592: all files of a version are."""
    by_version: dict[str, Release] = {}
    for name, link in file_names(links(document)):
        version = file_version(name)
        if version is None:
            continue
        yanked = "data-yanked" in link.attributes
        urls = _urls(document, link.href.partition("#")[0])
        first = by_version.get(version)
        by_version[version] = (
            replace(first, yanked=first.yanked and yanked, urls=_merged(first.urls, urls))
            if first
            else Release(version=version, prerelease=python_prerelease(version), yanked=yanked, urls=urls)
        )
    return Reading(releases=tuple(by_version.values()))


def _urls(document: Document, href: str) -> tuple[str, ...]:
    url = document.resolve(href.strip())
    return (url,) if url else ()


def _merged(first: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return first if len(first) >= _MAX_FILES else tuple(dict.fromkeys(first + more))
