"""Which original does a path ask for? Pure.

    /originals/git/<scheme>/<host>/<path>[.git]/info/refs, …/git-upload-pack
    /originals/files/<scheme>/<host>/<path>[?<query>]
    /originals/files/sha256/<digest>/<scheme>/<host>/<path>[?<query>]

So an address is made by putting something before an alias's own, as BuildStream's mirrors are. What a path
says is taken as it was sent and never decoded: it is compared, by a digest, with what upstreams are called,
and is at no point the path of a file here.
"""

import re
from dataclasses import dataclass
from typing import Literal

from hookfetch.originals.folder import repository_name

Kind = Literal["git", "files"]

_MOST = 4000  # characters of a path and its query
_PREFIX = "/originals"
_UPSTREAM = re.compile(r"(?P<scheme>https?|ftp|git|ssh)/(?P<rest>[^/\s]+/\S*)")
_FILE = re.compile(r"(?:sha256/(?P<digest>[0-9a-f]{64})/)?(?P<upstream>.+)")
_REFS, _PACK = "/info/refs", "/git-upload-pack"


@dataclass(frozen=True, slots=True)
class Repository:
    """A question to the mirror of the repository `upstream`: which refs there are (`asks_for` is the service
    that is to tell), or for a pack (None)."""

    upstream: str
    asks_for: str | None
    kind: Kind = "git"


@dataclass(frozen=True, slots=True)
class File:
    """A question for what stood at the address `upstream`: the newest that is known, or what has `digest`."""

    upstream: str
    digest: str | None
    kind: Kind = "files"


def parse(target: str) -> Repository | File | None:
    """Return what a request's target (path and query, as sent) asks for; None where that is no original."""
    if len(target) > _MOST or not target.isascii() or not target.isprintable():
        return None
    if target.startswith(f"{_PREFIX}/git/"):
        return _repository(target.removeprefix(f"{_PREFIX}/git/"))
    if target.startswith(f"{_PREFIX}/files/"):
        return _file(target.removeprefix(f"{_PREFIX}/files/"))
    return None


def mirror_address(base: str, kind: Kind, alias: str) -> str | None:
    """Return what an alias that stands for the address `alias` has to stand for, so that originals of a kind
    are asked for at `base`; None for an address that has no such form."""
    scheme, separator, rest = alias.partition("://")
    written = f"{scheme}/{rest}"
    if not separator or _UPSTREAM.fullmatch(f"{written}/") is None:  # what follows an alias completes it
        return None
    return f"{base}{_PREFIX}/{kind}/{written}"


def _repository(rest: str) -> Repository | None:
    path, _, query = rest.partition("?")
    if path.endswith(_PACK) and not query:
        named, asks_for = path.removesuffix(_PACK), None
    elif path.endswith(_REFS):
        named, asks_for = path.removesuffix(_REFS), query.removeprefix("service=")
    else:
        return None
    upstream = _upstream(named)
    return None if upstream is None else Repository(repository_name(upstream), asks_for)


def _file(rest: str) -> File | None:
    found = _FILE.fullmatch(rest)
    upstream = None if found is None else _upstream(found["upstream"])
    return None if found is None or upstream is None else File(upstream, found["digest"])


def _upstream(text: str) -> str | None:
    found = _UPSTREAM.fullmatch(text)
    return None if found is None else f"{found['scheme']}://{found['rest']}"
