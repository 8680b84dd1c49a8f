"""Repository identity: many URLs, one name. Pure.

A forge's payload names a repository by its https, ssh and git URLs, an element by any of
them or by an alias. `identify` folds them into one text, `host[:port]/path`, which is also
what a fact is routed by.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import NewType
from urllib.parse import unquote, urlsplit

RepositoryId = NewType("RepositoryId", str)

_DEFAULT_PORTS = {"http": 80, "https": 443, "git": 9418}
_SCHEMES = frozenset({"http", "https", "ssh", "git", "git+ssh", "git+https", "ssh+git"})
# What nearly every payload and element writes: no port, no query, nothing escaped. `urlsplit` finds the same,
# in four times the time.
_PLAIN = re.compile(
    r"(?:https|git|ssh)://(?:[A-Za-z0-9_-]+@)?(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)/(?P<path>[A-Za-z0-9._~/-]+)"
)
# scp form: [user@]host:path. `host://` is a scheme, `name::` one of git's remote helpers, and what
# starts with a dash an option.
_SCP = re.compile(
    r"^(?:[^@/\s:-][^@/\s:]*@)?(?P<host>\[[0-9a-fA-F:]+\]|[^/:@\s-][^/:@\s]*):(?P<path>(?!//|:)\S.*)$"
)


def identify(url: str) -> RepositoryId | None:
    """Return the identity of the repository behind `url`, or None when it has no host.

    Scheme, user, password, query, default ports, a trailing `.git` and slashes are dropped;
    host and path are folded to lower case, since the large forges compare both so: a false
    match costs one look at the upstream, a miss costs an update. The port of ssh is always
    dropped, for a forge's ssh and https ports differ.
    """
    url = url.strip()
    plain = _PLAIN.fullmatch(url)
    if plain is not None:
        return _join(plain["host"], None, plain["path"])
    if "://" in url:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return None
        scheme = parts.scheme.lower()
        if scheme not in _SCHEMES or not host:
            return None
        if "ssh" in scheme or port == _DEFAULT_PORTS.get(scheme.removeprefix("git+")):
            port = None
        return _join(host, port, parts.path)
    scp = _SCP.match(url)
    if scp is None:
        return None
    return _join(scp["host"].strip("[]"), None, scp["path"])


def _join(host: str, port: int | None, path: str) -> RepositoryId | None:
    segments = [part for part in unquote(path).split("/") if part]
    if not segments:
        return None
    segments[-1] = segments[-1].removesuffix(".git")
    if not segments[-1]:
        segments.pop()
    if not segments:
        return None
    host = host.rstrip(".").lower()
    if ":" in host:
        host = f"[{host}]"
    place = host if port is None else f"{host}:{port}"
    return RepositoryId(f"{place}/{'/'.join(segments)}".lower())


def identities(urls: Iterable[str]) -> tuple[RepositoryId, ...]:
    """Return each distinct identity that `urls` name, in their order."""
    found = (identify(url) for url in urls)
    return tuple(dict.fromkeys(identity for identity in found if identity is not None))


def routing_key(repository: RepositoryId) -> str:
    """Return the key a fact about `repository` is routed by: 32 hex digits, whatever the URL's length
    (AMQP 0-9-1 allows 255 bytes)."""
    return hashlib.sha256(repository.encode()).hexdigest()[:32]
