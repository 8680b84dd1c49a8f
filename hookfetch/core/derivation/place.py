"""An archive's URL in parts, and the feed that a rule makes of it. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit

from hookfetch.core.versions import in_file, in_tag

# certain: the upstream's own word on this very thing. likely: it is where such hosts have it. guess: the
# folder that the archive is in, of which it is not known whether it is listed.
Certainty = Literal["certain", "likely", "guess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A document of this `kind` (`hookfetch.feeds`) at `url`; `name` is which of several things in it is
    meant, as in `versions.Rules`. `origin` says in a few words what it was derived from."""

    kind: str
    url: str
    sure: Certainty
    origin: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """An archive's URL in parts: `path` holds its folders, decoded, and the file last."""

    scheme: str
    host: str  # with its port
    path: tuple[str, ...]
    version: str

    @property
    def file(self) -> str:
        """Return the archive's name."""
        return self.path[-1]

    def at(self, *parts: str, host: str | None = None) -> str:
        """Return the address of a path on this host, or on another one by https."""
        begin = f"{self.scheme}://{self.host}" if host is None else f"https://{host}"
        return "/".join((begin, *(quote(part, safe="~@:+!") for part in parts)))


Rule = Callable[[Place], Feed | None]
_ENDING = re.compile(r"\.(?:tar\.[a-z0-9]+|tgz|zip)$")


def parse(url: str, version: str) -> Place | None:
    """Return the parts of the http(s) address of an archive that holds `version`; None where it is none."""
    try:
        parts = urlsplit(url)
        host = _host(parts)
    except ValueError:
        return None
    path = tuple(unquote(part) for part in parts.path.split("/") if part)
    if parts.scheme.lower() not in ("http", "https") or not host or not path:
        return None
    return Place(parts.scheme.lower(), host, path, version)


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    return host if parts.port is None else f"{host}:{parts.port}"


def name_in(tag: tuple[str, ...], version: str) -> str | None:
    """Return the name before the version in a tag, the parts of a path: which of a repository's several
    things this is. None where the tag is the version alone, or none is plainly there."""
    text = "/".join(tag[2:] if tag[:2] == ("refs", "tags") else tag)
    spelled = in_tag(_ENDING.sub("", text))
    return spelled.name or None if spelled is not None and spelled.version == version else None


def listing(place: Place, url: str, sure: Certainty, origin: str) -> Feed | None:
    """Return the listing at `url` as a feed; None where the archive's name has no version."""
    spelled = in_file(place.file)
    if spelled is None:
        return None  # a listing tells of archives with their versions alone
    return Feed(kind="html_index", url=url, sure=sure, origin=origin, name=spelled.name or None)
