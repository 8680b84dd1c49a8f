"""`hookfetch serve` as a user starts it, and its log read as it is written."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hookfetch.core.errors import Temporary

Line = dict[str, object]

_STOP_WITHIN = 40.0
_KEPT_LINES = 10_000


class Serve:
    """The processes of a service, one for each of `roles` (one for all of them if there are none).

    Every log line is kept in `serve.log` below `root` and can be waited for.
    """

    def __init__(self, config: Path, root: Path, roles: Sequence[str] = ()) -> None:
        self._commands = [["--role", role] for role in roles] or [[]]
        self._config = config
        self._log = root / "serve.log"
        self._processes: list[asyncio.subprocess.Process] = []
        self._readers: list[asyncio.Task[None]] = []
        self._lines: list[Line] = []
        self._grown = asyncio.Condition()

    @property
    def pids(self) -> list[int]:
        """Return the ids of the running processes."""
        return [process.pid for process in self._processes]

    @property
    def lines(self) -> list[Line]:
        """Return the log lines so far."""
        return list(self._lines)

    async def start(self) -> None:
        """Start the processes; wait for their log lines to know when they are ready."""
        for roles in self._commands:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hookfetch",
                "serve",
                "--config",
                str(self._config),
                "--log",
                "json",
                *roles,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                limit=1024 * 1024,
            )
            self._processes.append(process)
            self._readers.append(asyncio.create_task(self._read(process)))

    async def stop(self) -> None:
        """End the processes and reap them."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in self._processes:
            try:
                async with asyncio.timeout(_STOP_WITHIN):
                    await process.wait()
            except TimeoutError:
                process.kill()
        await self._ended()

    async def kill(self) -> None:
        """End the processes as a power cut does, and reap them; they may be started again."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await self._ended()

    async def _ended(self) -> None:
        for process in self._processes:
            await process.wait()
        await asyncio.gather(*self._readers)
        self._processes.clear()
        self._readers.clear()

    async def line(self, what: str, wanted: Callable[[Line], bool], within: float) -> Line:
        """Return the first log line, past or to come, that is `wanted`; Temporary when there is
        none within the given seconds, or the service ended."""
        at = 0
        try:
            async with asyncio.timeout(within), self._grown:
                while True:
                    for line in self._lines[at:]:
                        if wanted(line):
                            return line
                    at = len(self._lines)
                    ended = [p.returncode for p in self._processes if p.returncode is not None]
                    if ended:
                        raise Temporary(f"the service ended with code {ended[0]}: see {self._log}")
                    await self._grown.wait()
        except TimeoutError as error:
            raise Temporary(f"not seen within {within:.0f} s: {what}: see {self._log}") from error

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        with self._log.open("ab") as log:
            while raw := await process.stderr.readline():
                log.write(raw)
                log.flush()
                with contextlib.suppress(ValueError):  # a library's own line is in the file, and no event
                    line = json.loads(raw)
                    async with self._grown:
                        if isinstance(line, dict) and len(self._lines) < _KEPT_LINES:
                            self._lines.append(line)
                        self._grown.notify_all()
        await process.wait()
        async with self._grown:
            self._grown.notify_all()
