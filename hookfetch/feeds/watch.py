"""Debian's watch files, versions 3 to 5: where a maintainer looks for releases. Pure.

They name pages and patterns, no releases. The patterns are regular expressions from outside: they are
passed on as texts and never run. (python-debian reads versions up to 4, under the GPL.)
"""

import re
from collections.abc import Iterator, Mapping

from hookfetch.core.releases import Lookup, Reading
from hookfetch.feeds.document import Document, Unreadable, decoded, usable

MAX_WATCH = 64 * 1024  # bytes
_VERSION_LINE = re.compile(r"version\s*=\s*([0-9]+)")
_VERSION_FIELD = re.compile(r"Version\s*:\s*([0-9]+)", re.IGNORECASE)
_OPTIONS = re.compile(r'opt(?:ion)?s=(?:"[^"]*"|[^\s"]+)\s+')
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]*)\s*:\s*(.*)")
_FORGES = {"github": "https://github.com", "gitlab": "https://gitlab.com"}
_KNOWN = (3, 4)
_FIELDS_SINCE = 5


def watch(document: Document) -> Reading:
    """Return where a watch file looks, in its order."""
    if len(document.body) > MAX_WATCH:
        raise Unreadable(f"the watch file has more than {MAX_WATCH} bytes")
    lines = [line for line in decoded(document).splitlines() if not line.lstrip().startswith("#")]
    first = next((line.strip() for line in lines if line.strip()), "")
    if (found := _VERSION_FIELD.fullmatch(first)) and int(found[1]) == _FIELDS_SINCE:
        lookups = _of_paragraphs(lines)
    elif (found := _VERSION_LINE.fullmatch(first)) and int(found[1]) in _KNOWN:
        lookups = filter(None, map(_of_line, _joined(lines)))
    else:
        raise Unreadable("the document begins with no version of a watch file from 3 to 5")
    return Reading(lookups=tuple(lookups))


def _joined(lines: list[str]) -> Iterator[str]:
    """Yield the lines after the first, those that end in a backslash with the next."""
    whole = ""
    for line in lines:
        text = line.strip()
        whole += text.removesuffix("\\")
        if not text.endswith("\\"):
            if whole and not _VERSION_LINE.fullmatch(whole):
                yield whole
            whole = ""


def _of_line(line: str) -> Lookup | None:
    words = _OPTIONS.sub("", line, count=1).split()
    if not words or usable(words[0]) is None:
        return None
    page, pattern = words[0], words[1] if len(words) > 1 else None
    # What has a group in its last part is page and pattern in one.
    folder, _, last = page.rpartition("/")
    if "(" in last:
        return Lookup(url=f"{folder}/", pattern=last)
    return Lookup(url=page, pattern=usable(pattern))


def _of_paragraphs(lines: list[str]) -> Iterator[Lookup]:
    """Yield what the paragraphs of a version 5 file look at; the first holds what is true of all."""
    for fields in _paragraphs(lines):
        source = usable(fields.get("source"))
        template, owner, project = (fields.get(key) for key in ("template", "owner", "project"))
        forge = _FORGES.get((template or "").lower())
        if source:
            yield Lookup(url=source, pattern=usable(fields.get("matching-pattern")))
        elif forge and owner and project:
            yield Lookup(url=f"{forge}/{owner}/{project}/tags", pattern=None)


def _paragraphs(lines: list[str]) -> Iterator[Mapping[str, str]]:
    fields: dict[str, str] = {}
    for line in [*lines, ""]:
        found = _FIELD.fullmatch(line.strip())
        if found:
            fields[found[1].lower()] = found[2].strip()
        elif not line.strip() and fields:
            yield fields
            fields = {}
