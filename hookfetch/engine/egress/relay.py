"""Connects for git, which would resolve and connect by itself, as this process's guarded sockets do: a SOCKS5
server on the loopback of this machine, in a thread of the worker. It ends with the process. Nobody but this
user is served. There is no password: behind a proxy that wants one libcurl keeps no connection for the next
request. Nothing that passes is looked at.

Over http git itself ends what is too slow. Over ssh and git:// it waits for ever, so these come by `dial` and
are ended here as http is: after `2 * STALL` seconds at under SLOWEST bytes a second.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Self

from hookfetch.engine.egress import socks
from hookfetch.engine.egress.guarded_sockets import NotNamed, resolve
from hookfetch.engine.egress.socket_owner import owner_of
from hookfetch.engine.patience import SLOWEST, STALL

_AT_ONCE = 64  # connections
_GREET_WITHIN = 10.0  # seconds
_WINDOW = 2 * STALL  # seconds
_PIECE = 256 * 1024

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_Read = Callable[[], Awaitable[bytes]]


class _TooSlow(Exception):
    """What there is to say of a server that sends too little."""


class Relay:
    """The server, in a `with` block."""

    def __init__(self) -> None:
        self.port = 0
        self._complaints: dict[str, str] = {}  # of places, the last one last
        self._free = _AT_ONCE
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)

    @property
    def complaint(self) -> str | None:
        """Return in one line why a host was not connected, or was given up, since `forget`; None if all are
        well that were tried. git is told no more than that it failed."""
        return next(reversed(list(self._complaints.values())), None)

    def forget(self) -> None:
        """Have nothing to say of what was before."""
        self._complaints.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._free -= 1
        try:
            # However one side leaves, all that the other one needs to see is that it did.
            with contextlib.suppress(socks.NotServed, EOFError, ConnectionError, TimeoutError):
                if self._free >= 0 and _is_of_this_user(writer):
                    await self._relay((reader, writer))
        except asyncio.CancelledError:
            return  # by `_stop`; the callback of `start_server` would take it for a mistake
        finally:
            self._free += 1
            writer.close()

    async def _relay(self, client: _Streams) -> None:
        async with asyncio.timeout(_GREET_WITHIN):
            dialled, host, port = await socks.wanted(*client)  # curl has no user, `dial` the name
        server = await self._connected(client, host, port, dialled)
        if server is None:
            return
        read = partial(server[0].read, _PIECE)
        try:
            if dialled is None:
                await _pass_on(client, server, read, half=False)
            else:
                await _pass_on(client, server, _paced(read, f"{host}:{port}"), half=True)
        except _TooSlow as error:
            self._complaints[f"{host}:{port}"] = str(error)
        finally:
            server[1].close()

    async def _connected(self, client: _Streams, host: str, port: int, alias: str | None) -> _Streams | None:
        """Return a connection to the host; None where there is none, and the client was told."""
        find = partial(resolve, host, port, type=socket.SOCK_STREAM, alias=alias)
        place, code = f"{host}:{port}", socks.UNREACHABLE
        self._complaints.pop(place, None)
        try:
            async with asyncio.timeout(_WINDOW):
                found = await asyncio.get_running_loop().run_in_executor(None, find)
                server = await _first_of(found)
        except NotNamed as error:
            code, self._complaints[place] = socks.NOT_ALLOWED, str(error)
        except TimeoutError:
            self._complaints[place] = f"{place}: timed out: no connection within {_WINDOW:g} s"
        except OSError as error:
            self._complaints[place] = f"{place}: {error.strerror or error}"
        else:
            socks.reply(client[1], socks.DONE)
            return server
        socks.reply(client[1], code)
        return None


def _is_of_this_user(writer: asyncio.StreamWriter) -> bool:
    return owner_of(*map(writer.get_extra_info, ("peername", "sockname"))) == os.getuid()


async def _first_of(found: list[tuple[int, int, int, str, tuple[str, int]]]) -> _Streams:
    """Return a connection to the first of what was found that takes one; OSError as the last of them."""
    failed = OSError("the host has no address")
    for family, kind, protocol, _, place in found:
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, place)
            return await asyncio.open_connection(sock=connection)
        except OSError as error:
            connection.close()
            failed = error
        except BaseException:
            connection.close()
            raise
    raise failed


def _paced(read: _Read, place: str) -> _Read:
    """Return a `read` that raises _TooSlow when too little comes while it is waited for."""
    waited, received = 0.0, 0

    async def read_in_time() -> bytes:
        nonlocal waited, received
        clock = asyncio.get_running_loop().time
        while True:
            began, piece = clock(), None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WINDOW - waited):
                    piece = await read()
            waited += clock() - began  # not what the client takes between reads
            received += len(piece or b"")
            if piece is None or waited >= _WINDOW:
                if received < SLOWEST * _WINDOW:
                    told = f"{received} bytes in {waited:.0f} s are too few to go on"
                    raise _TooSlow(f"{place}: timed out: {told}")
                waited, received = 0.0, 0
            if piece is not None:
                return piece

    return read_in_time


async def _pass_on(client: _Streams, server: _Streams, read_server: _Read, *, half: bool) -> None:
    """Pass on what the two say until the client leaves, or, where it may have closed `half` of its connection
    to hear the rest, until both have; as the streams and `read_server` raise."""
    sending = asyncio.ensure_future(_copy(partial(client[0].read, _PIECE), server[1]))
    receiving = asyncio.ensure_future(_copy(read_server, client[1]))
    try:
        if half:
            await asyncio.gather(sending, receiving)
            return
        await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        if receiving.done():
            receiving.result()
            await sending  # the client has yet to read what the server left
    finally:
        sending.cancel()
        receiving.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)


async def _copy(read: _Read, writer: asyncio.StreamWriter) -> None:
    while piece := await read():
        writer.write(piece)
        await writer.drain()
    writer.write_eof()
