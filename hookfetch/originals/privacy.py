"""Which upstreams need credentials? What is kept of them is for the project that asked alone.

On any doubt an upstream is taken for one that does. Reads the user's netrc and git configuration.
"""

import netrc
import re
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

_PUBLIC_SCHEMES = frozenset({"http", "https", "git", "ftp"})
_DEFAULT_PORTS = {"http": 80, "https": 443, "git": 9418, "ftp": 21}
# What makes git send more than an address says, for all addresses or for those that begin with one:
# gitcredentials(7), git-config(1).
_SECRETIVE = re.compile(
    r"(?:credential|http)(?:\.(?P<place>.+))?\.(?:helper|extraheader|cookiefile|sslcert|sslkey|emptyauth)"
)
_REWRITING = re.compile(r"url\..+\.insteadof")
_WITHIN = 10.0  # seconds for git to tell its configuration


@dataclass(frozen=True, slots=True)
class Credentials:
    """`hosts` (`name` or `name:port`) have an account; with `anywhere` any host may."""

    hosts: frozenset[str]
    anywhere: bool = False

    @classmethod
    def of_this_user(cls, accounts: Collection[str]) -> Self:
        """Return the configured `accounts` and those that netrc(5) and git know by themselves. Blocks."""
        try:
            known = set(netrc.netrc().hosts)
        except FileNotFoundError:
            known = set()
        except (OSError, netrc.NetrcParseError):
            return cls(frozenset(), anywhere=True)  # others may read it better
        places = _git_places()
        hosts = frozenset({*accounts, *known, *(place for place in places if place)})
        return cls(hosts, anywhere="default" in known or None in places)

    def needed_for(self, url: str) -> bool:
        """Return whether what `url` gives may be given to those only who have an account."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return True
        host = (parts.hostname or "").rstrip(".").lower()
        if parts.scheme.lower() not in _PUBLIC_SCHEMES or not host or "@" in parts.netloc:
            return True
        if self.anywhere:
            return True
        host = f"[{host}]" if ":" in host else host
        number = port or _DEFAULT_PORTS.get(parts.scheme.lower())
        return not self.hosts.isdisjoint({host, f"{host}:{number}"})


def _git_places() -> set[str | None]:
    """Return for which hosts git's configuration has something to send, or another address; None for any."""
    done = subprocess.run(
        ["git", "config", "--list", "--null"],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_WITHIN,
        check=False,
    )
    if done.returncode:
        return {None}
    places: set[str | None] = set()
    for entry in done.stdout.split("\0"):
        key, _, value = entry.partition("\n")
        secretive = _SECRETIVE.fullmatch(key)
        if secretive is not None and value:
            places.add(_host_of(secretive["place"] or ""))
        elif _REWRITING.fullmatch(key) and not value.startswith("file:"):  # workers refuse those so
            places.add(_host_of(value))
    return places


def _host_of(url: str) -> str | None:
    """Return the one host that addresses beginning with `url` have; None when there may be several."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return None
    return host if host and "*" not in host else None
