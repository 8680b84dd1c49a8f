"""Which addresses a source may be fetched from: other machines, never this one's files. Pure."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from pydantic import JsonValue

from hookfetch.core.errors import ElementError
from hookfetch.core.repository import identify

_SCHEMES = frozenset({"http", "https", "ftp", "ssh", "git"})


def is_remote(url: str) -> bool:
    """Return whether `url` names another machine, by scheme and host or in scp form (`host:path`).

    A path, a `file:` address and what git would take for an option are none.
    """
    if url.startswith("-"):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme.lower() in _SCHEMES:
        return bool(parts.hostname)
    return identify(url) is not None


def require_remote(element: str, url: str) -> None:
    """Return if `url`, which a plugin of `element` is about to use, is on another machine; else raise
    ElementError. git takes a path for an address, and would fetch from this machine's own repositories."""
    if not is_remote(url):
        raise ElementError(f"{element}: {url[:200]!r} is no address of another machine")


def require_remote_repositories(element: str, refs: Iterable[Mapping[str, JsonValue] | None]) -> None:
    """Return if the repositories that refs themselves name (cargo2's crates, as a lock file upstream has
    them) are on other machines; else raise ElementError."""
    for index, ref in enumerate(refs):
        crates = (ref or {}).get("ref")
        for crate in crates if isinstance(crates, list) else ():
            url = crate.get("repo") if isinstance(crate, dict) else None
            if isinstance(url, str) and not is_remote(url):
                what = f"{url[:200]!r}, in the ref of source {index},"
                raise ElementError(f"{element}: {what} is no address of another machine")
