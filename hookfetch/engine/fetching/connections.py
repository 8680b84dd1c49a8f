"""Connections of this process to http(s) upstreams, which stay open for the next question."""

import time
from typing import Any
from urllib.parse import urlsplit

import urllib3
from dulwich.client import default_urllib3_manager

_AT_ONCE = 8  # connections to one host that stay open; there may be more
_TIMEOUT = urllib3.Timeout(connect=30.0, read=600.0)  # as the git_repo plugin has it; `patience` shortens it

_UNUSED = 60.0  # seconds, at most: firewalls forget a connection, and tell nobody

_managers: dict[str, tuple[Any, float]] = {}  # and when it was used last


def place_of(url: str) -> str:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def close_idle() -> None:
    """Close those that nobody uses now, and keep none of the others: what is connected to next is judged
    anew."""
    for manager, _ in list(_managers.values()):
        manager.clear()


def connections_to(url: str) -> Any:
    """Return urllib3's pool manager for a URL's host, with this process's proxies and certificates."""
    place = place_of(url)
    now = time.monotonic()
    # One a host, as proxies are chosen by it; a process does not live to see many.
    manager, used = _managers.get(place, (None, now))
    if manager is None:
        manager = default_urllib3_manager(None, base_url=place, timeout=_TIMEOUT)
        manager.connection_pool_kw["maxsize"] = _AT_ONCE
    elif now - used > _UNUSED:
        manager.clear()
    _managers[place] = manager, now
    return manager
