"""Which addresses a source may be fetched from: other machines, never this one's files. Pure."""

from urllib.parse import urlsplit

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
