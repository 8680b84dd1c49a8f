"""A TCP proxy that counts the bytes between a client and a server, and looks at none of them."""

import asyncio
import threading
from types import TracebackType
from typing import Self

_BLOCK = 1 << 16  # bytes


class CountingProxy:
    """Passes every connection on to `target` (`host:port`) while the `with` block lasts, at `address`.

    `down` are the bytes that clients got from it, `up` those that they sent.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._port = 0
        self._connections: set[asyncio.Task[None]] = set()
        self.down = 0
        self.up = 0

    @property
    def address(self) -> str:
        """Return where clients find it."""
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            to_reader, to_writer = await asyncio.open_connection(*self._target)
            try:
                await asyncio.gather(
                    self._pass(reader, to_writer, "up"), self._pass(to_reader, writer, "down")
                )
            finally:
                to_writer.close()
        except (OSError, asyncio.CancelledError):
            pass  # either side has left, or the test is over
        finally:
            writer.close()
            self._connections.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        while block := await reader.read(_BLOCK):
            setattr(self, way, getattr(self, way) + len(block))
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
