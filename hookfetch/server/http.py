"""The door's listening socket, started and stopped like every other part."""

import asyncio

from hookfetch.core.errors import ConfigurationError
from hookfetch.server.door.connection import Connection
from hookfetch.server.door.house import Application, House, Limits

# Seconds between two looks at the connections' deadlines.
TICK = 0.1
# Seconds for the requests that are being answered when the door closes.
_STOP_WITHIN = 10.0
_BACKLOG = 1024


class HttpServer:
    """Serves `application` on `listen` (`host:port`) between start and stop, within `limits`."""

    def __init__(self, application: Application, listen: str, limits: Limits) -> None:
        self._house = House(application, limits)
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._tick: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """Return the port that it listens on, which port 0 leaves to the system."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen; ConfigurationError when the address cannot be had."""
        host, _, port = self._listen.rpartition(":")
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Connection(self._house), host.strip("[]"), int(port), backlog=_BACKLOG
            )
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {self._listen}: {error.strerror}") from error
        self._look(loop)

    async def stop(self) -> None:
        """Finish the requests that are being answered (10 s at most), take no more."""
        if self._server is None:
            return
        self._server.close()
        self._house.stopping = True
        for connection in list(self._house.connections):
            connection.stop()
        tasks = [connection.task for connection in self._house.connections if connection.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_WITHIN)
        if self._tick is not None:
            self._tick.cancel()
        for connection in list(self._house.connections):
            connection.abort()
        await self._server.wait_closed()
        self._server = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._house.connections):
            connection.expire(now)
        self._tick = loop.call_later(TICK, self._look, loop)
