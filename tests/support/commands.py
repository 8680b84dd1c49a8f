"""`hookfetch` commands for tests, each in a process of its own that starts within hundredths of a second:
a fork of a process that has imported hookfetch (`tests.support.preloaded`)."""

import asyncio
import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import IO, Self, cast

from hookfetch.demo.processes import Serve

_ROOT = Path(__file__).parents[2]


def run(
    *arguments: str,
    stdin: str = "",
    cwd: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    timeout: float = 60.0,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, with `environment` beside that of the tests; TimeoutExpired, and killed,
    when it takes longer than `timeout` seconds."""
    with TemporaryFile() as given, TemporaryFile() as output, TemporaryFile() as errors:
        given.write(stdin.encode())
        given.seek(0)
        with _begin(arguments, (given, output, errors), cwd, environment) as report:
            pid = int(report.readline())
            if not select.select([report], [], [], timeout)[0]:
                os.kill(pid, signal.SIGKILL)
                report.readline()
                raise subprocess.TimeoutExpired(arguments, timeout)
            code = int(report.readline())
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, output.read().decode(), errors.read().decode())


class Running:
    """A command that was started: as much of `asyncio.subprocess.Process` as is used of it here."""

    def __init__(self, pid: int, report: asyncio.StreamReader, stderr: asyncio.StreamReader | None) -> None:
        self.pid = pid
        self.stderr = stderr
        self.returncode: int | None = None
        self._ended = asyncio.create_task(self._end(report))

    @classmethod
    async def start(cls, *arguments: str, log: IO[bytes] | None = None) -> Self:
        """Start a command that writes to `log`; without one, what it writes is to be read at `stderr`."""
        with TemporaryFile() as nothing:
            if log is not None:
                report, stderr = await _stream(_begin(arguments, (nothing, log, log))), None
            else:
                reading, writing = os.pipe()
                with os.fdopen(writing, "wb") as written:
                    report = await _stream(_begin(arguments, (nothing, written, written)))
                stderr = await _stream(os.fdopen(reading, "rb", buffering=0))
        return cls(int(await report.readline()), report, stderr)

    async def wait(self) -> int:
        """Return the exit code, once it has ended."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        """Signal it; ProcessLookupError when it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def _end(self, report: asyncio.StreamReader) -> int:
        self.returncode = int(await report.readline())
        return self.returncode


class QuickServe(Serve):
    """`hookfetch serve` whose processes start quickly."""

    async def start(self) -> None:
        for roles in self._commands:
            arguments = ("serve", "--config", str(self._config), "--log", "json", *roles)
            process = cast("asyncio.subprocess.Process", await Running.start(*arguments))
            self._processes.append(process)
            self._readers.append(asyncio.create_task(self._read(process)))


def _begin(
    arguments: tuple[str, ...],
    files: tuple[IO[bytes], IO[bytes], IO[bytes]],
    cwd: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> IO[bytes]:
    """Start a command; its process id and, at its end, its exit code come as lines."""
    request = {
        "arguments": arguments,
        "folder": str(cwd or Path.cwd()),
        "environment": {**os.environ, **environment},
    }
    reading, writing = os.pipe()
    try:
        handed = [*(file.fileno() for file in files), writing]
        socket.send_fds(_preloaded(), [json.dumps(request).encode()], handed)
    finally:
        os.close(writing)
    return os.fdopen(reading, "rb", buffering=0)


async def _stream(pipe: IO[bytes]) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


@functools.cache
def _preloaded() -> socket.socket:
    """Start the process that becomes the commands; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.preloaded"],
            cwd=_ROOT,
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # what interrupts the tests is not for it
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
