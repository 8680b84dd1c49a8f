"""Connections, counted: so many in all, and so many of one address. What comes on them aiohttp reads."""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from hookfetch.server.door.senders import Address, Crowd, Network, is_in, sender_address

_IDLE = 15.0  # seconds for a request's head, and between two requests


class Connections:
    """Lets `most` connections in at once, `per_address` of them from one address that is no trusted proxy;
    the next is cut off."""

    def __init__(self, most: int, per_address: int, trusted_proxies: Sequence[Network]) -> None:
        self._most = most
        self._crowd = Crowd(per_address)
        self._trusted_proxies = trusted_proxies
        self._inside = 0

    def enter(self, transport: asyncio.BaseTransport) -> Address | None:
        """Count a connection in and return where it comes from; None when it is one too many."""
        name = transport.get_extra_info("peername")
        address = sender_address(str(name[0])) if name else None
        if address is None or self._inside >= self._most:
            return None
        if not is_in(address, self._trusted_proxies) and not self._crowd.enter(address):
            return None
        self._inside += 1
        return address

    def leave(self, address: Address) -> None:
        """Count out a connection that was let in."""
        self._inside -= 1
        if not is_in(address, self._trusted_proxies):
            self._crowd.leave(address)


class Connection(web.RequestHandler):
    """A connection of `server`, if `connections` let it in."""

    __slots__ = ("_address", "_connections")

    def __init__(self, server: web.Server, connections: Connections) -> None:
        loop = asyncio.get_running_loop()
        # A body is unpacked by who knows how large it may be.
        options = {"keepalive_timeout": _IDLE, "auto_decompress": False, "access_log": None}
        super().__init__(server, loop=loop, **options)  # type: ignore[arg-type] # no access log is one too
        self._connections = connections
        self._address: Address | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read, or cut it off."""
        self._address = self._connections.enter(transport)
        if self._address is not None:
            super().connection_made(transport)
        else:
            assert isinstance(transport, asyncio.Transport)
            transport.abort()

    def connection_lost(self, error: BaseException | None) -> None:
        """Count it out."""
        if self._address is not None:
            self._connections.leave(self._address)
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Read what has come, unless it was cut off."""
        if self._address is not None:
            super().data_received(data)
