"""An aiohttp application on one address, started and stopped like every other part."""

from aiohttp import web

from hookfetch.core.errors import ConfigurationError

IDLE_SECONDS = 75.0


class HttpServer:
    """Serves `application` on `listen` (`host:port`) between start and stop."""

    def __init__(self, application: web.Application, listen: str) -> None:
        # Bodies stay as they were signed, and an idle sender's connection ends in bounded time.
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS,
        )
        self._listen = listen

    async def start(self) -> None:
        """Listen; ConfigurationError when the address cannot be had."""
        host, _, port = self._listen.rpartition(":")
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host.strip("[]"), int(port), backlog=1024).start()
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {self._listen}: {error.strerror}") from error

    async def stop(self) -> None:
        """Finish the requests that are being answered (10 s at most), take no more."""
        await self._runner.cleanup()
