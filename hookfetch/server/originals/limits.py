"""What clients may ask for at once, and how long they may take over it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web

from hookfetch.server.door.senders import Crowd, Network, client_of, is_in, sender_address

_LINE = 30.0  # seconds that a request waits for a process


class Limits:
    """Counts what is under way: `per_address` requests of one address, `processes` of git in all. A request
    may take `deadline` seconds, and its client `stall` over each piece."""

    def __init__(
        self,
        *,
        per_address: int,
        processes: int,
        deadline: float,
        stall: float,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self.deadline = deadline
        self.stall = stall
        self._crowd = Crowd(per_address)
        self._processes = asyncio.Semaphore(processes)
        self._trusted_proxies = trusted_proxies

    @contextmanager
    def request(self, request: web.BaseRequest) -> Iterator[str]:
        """Count a request in for a `with` block and give who sent it; web.HTTPTooManyRequests when that is
        too many."""
        address = sender_address(request.remote or "")
        if address is None:  # its connection is gone already
            raise web.HTTPBadRequest
        if is_in(address, self._trusted_proxies):
            forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
            address = client_of(address, forwarded, self._trusted_proxies)
        if not self._crowd.enter(address):
            raise web.HTTPTooManyRequests(headers={"Retry-After": "10"})
        try:
            yield str(address)
        finally:
            self._crowd.leave(address)

    @asynccontextmanager
    async def process(self) -> AsyncIterator[None]:
        """Take a place for a process for a `with` block; web.HTTPServiceUnavailable when none comes free
        soon."""
        try:
            async with asyncio.timeout(_LINE):
                await self._processes.acquire()
        except TimeoutError as error:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "30"}) from error
        try:
            yield
        finally:
            self._processes.release()
