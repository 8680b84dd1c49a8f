"""Sends an answer whose length may not be known, to a client that has to keep up."""

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web


class Sending:
    """`response` under way to whoever sent `request`, who may take `stall` seconds over each piece. When it
    cannot be finished the connection is cut, so that nobody takes what came for the whole."""

    def __init__(self, request: web.BaseRequest, response: web.StreamResponse, stall: float) -> None:
        self.response = response
        self.sent = 0  # bytes
        self._request = request
        self._stall = stall

    async def __aenter__(self) -> Self:
        await self.response.prepare(self._request)
        return self

    async def send(self, piece: bytes) -> None:
        """Return once the client has taken most of what was sent; TimeoutError when it does not."""
        async with asyncio.timeout(self._stall):
            await self.response.write(piece)
        self.sent += len(piece)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            if self._request.transport is not None:
                self._request.transport.abort()
            return
        async with asyncio.timeout(self._stall):
            await self.response.write_eof()
