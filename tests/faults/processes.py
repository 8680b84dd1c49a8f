"""The service's processes, each to be killed, frozen and started again by itself."""

import asyncio
import contextlib
import signal
from pathlib import Path

import psutil

from tests.support.commands import Running

_STOP_WITHIN = 40.0


class Member:
    """One `hookfetch serve --role`. It is started again whenever it ends, until `stop`, as by a service
    manager; what it writes is appended to `<name>.log` beside its configuration."""

    def __init__(self, name: str, role: str, config: Path) -> None:
        self.name = name
        self.role = role
        self._config = config
        self._process: Running | None = None
        self._held = asyncio.Event()  # set while it may run
        self._keeper: asyncio.Task[None] | None = None
        self.starts = 0
        self.kills = 0

    async def start(self) -> None:
        """Run it from now on."""
        self._held.set()
        self._keeper = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            await self._held.wait()
            with (self._config.parent / f"{self.name}.log").open("ab") as log:
                command = ("serve", "--config", str(self._config), "--log", "json", "--role", self.role)
                self._process = await Running.start(*command, log=log)
            self.starts += 1
            await self._process.wait()

    async def kill(self, down: float) -> None:
        """End it as a power cut does, and start it again after `down` seconds."""
        self._held.clear()
        self.kills += 1
        self._signal(signal.SIGKILL)
        await asyncio.sleep(down)
        self._held.set()

    async def freeze(self, seconds: float) -> None:
        """Stop it where it stands, for so long, and let it wake up."""
        self._signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._signal(signal.SIGCONT)

    def children(self, word: str) -> list[psutil.Process]:
        """Return the descendants with `word` in their command line."""
        if self._process is None or self._process.returncode is not None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            found = psutil.Process(self._process.pid).children(recursive=True)
            return [child for child in found if word in _command_line(child)]
        return []

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self) -> None:
        """End it for good, in an orderly way, and reap it."""
        if self._keeper is None:
            return
        self._held.clear()
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        if self._process is not None:
            try:
                async with asyncio.timeout(_STOP_WITHIN):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._keeper.cancel()
        await asyncio.wait({self._keeper})


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
