"""How feeds are connected to: without cookies, by the proxies of the environment, and to private addresses
only where a project itself names the host.
"""

import socket
import urllib.request
from collections.abc import Callable

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from hookfetch.core.egress import canonical, is_public

_MAX_HEADER = 16 * 1024  # bytes of a line, and of all of them together a few times that


class PrivateAddress(OSError):
    """A redirect led to a name that is at a private address."""


class NamedHosts(AbstractResolver):
    """Resolves names; those at private addresses only where `is_named` says that a project names the
    host. What an upstream redirects to is its word alone, and is not to be what only this machine reaches."""

    def __init__(self, is_named: Callable[[str], bool]) -> None:
        self._is_named = is_named
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; PrivateAddress where it may not be connected to."""
        found = await self._resolver.resolve(host, port, family)
        private = next((each["host"] for each in found if not is_public(each["host"])), None)
        if private is not None and not self._is_named(canonical(host)):
            raise PrivateAddress(f"{host} is at the private address {private}, and no feed names this host")
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()


def open_session(is_named: Callable[[str], bool]) -> aiohttp.ClientSession:
    """Return a session for feeds, to be closed; `is_named` says of a host, as `core.egress.canonical` writes
    it, whether a project names it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=NamedHosts(is_named), limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        max_line_size=_MAX_HEADER,
        max_field_size=_MAX_HEADER,
    )


def proxy_for(url: URL) -> URL | None:
    """Return the proxy that the environment has for `url` (`http_proxy`, `https_proxy`, `no_proxy`), with the
    account at it."""
    written = urllib.request.getproxies().get(url.scheme)
    if written is None or urllib.request.proxy_bypass(url.host or ""):
        return None
    return URL(written if "://" in written else f"http://{written}")
