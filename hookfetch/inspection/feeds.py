"""What hookfetch reads in saved documents of upstreams: `hookfetch inspect feed`.

It reads the files that the operator names, asks no upstream, and stores nothing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hookfetch.core.releases import Reading, Release
from hookfetch.core.versions import Rules, newest
from hookfetch.feeds import MAX_BODY, Document, Unreadable, read


def inspect_feeds(lines: Iterable[str]) -> Iterator[str]:
    """Yield one JSON line for each of `lines`, in order, without its line feed.

    In: `id`, `kind`, `file` (relative to the working directory), `content_type` and `url`, which may be
    null. Out: `id`, `outcome` (`ok` or `error`), `reason` of an error, `releases` (`version`, `tag`,
    `prerelease`, `yanked`, `published`, `urls`), `latest`: what the document calls so, else the newest
    that an element would be updated to; and `lookups` (`url`, `pattern`) of a watch file.
    """
    for line in lines:
        request: Mapping[str, Any] = {}
        try:
            request = _object(line)
            kind, document = _document(request)
            reading = read(kind, document)
        except Unreadable as error:
            yield _answer(request, "error", reason=str(error))
        else:
            yield _answer(request, "ok", reading=reading, latest=_latest(reading, document))


def _answer(
    request: Mapping[str, Any],
    outcome: str,
    *,
    reason: str | None = None,
    reading: Reading | None = None,
    latest: str | None = None,
) -> str:
    reading = reading or Reading()
    name = request.get("id")
    answer: dict[str, object] = {
        "id": name if isinstance(name, str | int) else None,
        "outcome": outcome,
        "reason": reason,
        "releases": list(map(_release, reading.releases)),
        "latest": latest,
    }
    if reading.lookups:
        answer["lookups"] = [{"url": each.url, "pattern": each.pattern} for each in reading.lookups]
    return json.dumps(answer)


def _object(line: str) -> Mapping[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the line is not JSON") from error
    if not isinstance(request, dict):
        raise Unreadable("the line is not a JSON object")
    return request


def _document(request: Mapping[str, Any]) -> tuple[str, Document]:
    kind, name = request.get("kind"), request.get("file")
    content_type, url = request.get("content_type"), request.get("url")
    if not isinstance(kind, str) or not isinstance(name, str):
        raise Unreadable("kind and file are texts")
    if not isinstance(content_type, str | None) or not isinstance(url, str | None):
        raise Unreadable("content_type and url are texts or null")
    path = Path(name)
    try:
        if not path.is_file():  # a pipe or device could be read for ever
            raise Unreadable("file is not a file")
        with path.open("rb") as file:
            body = file.read(MAX_BODY + 1)
    except (OSError, ValueError) as error:
        raise Unreadable(f"file cannot be read: {error}") from error
    return kind, Document(body=body, content_type=content_type, url=url)


def _latest(reading: Reading, document: Document) -> str | None:
    if reading.latest is not None:
        return reading.latest
    release = newest(reading.releases, Rules(name=_named(reading.releases, document.url)))
    return release.version if release else None


def _named(releases: tuple[Release, ...], url: str | None) -> str | None:
    """Return the name of what the address of a source of several things says it is about; else None."""
    names = {release.name.casefold() for release in releases if release.name}
    try:
        parts = unquote(urlsplit(url or "").path).casefold().split("/")
    except ValueError:
        return None
    return next((part for part in reversed(parts) if part in names), None)


def _release(release: Release) -> dict[str, object]:
    return {
        "version": release.version,
        "tag": release.tag,
        "prerelease": release.prerelease,
        "yanked": release.yanked,
        "published": _time(release.published),
        "urls": release.urls,
    }


def _time(published: datetime | None) -> str | None:
    return None if published is None else published.isoformat().replace("+00:00", "Z")
