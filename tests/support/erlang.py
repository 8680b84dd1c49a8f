"""What RabbitMQ needs of Erlang: a port mapper of our own, so that a private broker meets no other one."""

import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

_READY_WITHIN = 20.0  # seconds; a hundredth of one on an idle machine
_STOP_WITHIN = 20.0
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
# Before a command: the kernel ends it with the thread that started it. By a program, since with Python code
# between fork and exec gRPC looks after its threads in the child, which may never come to exec.
DYING_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM")


class PortMapper:
    """Erlang's port mapper, and the home whose cookie the brokers of one mapper share: only they can be
    one cluster. Entering starts it and returns once it answers, leaving ends and reaps it."""

    def __init__(self) -> None:
        [self._port] = free_ports(1)
        self._home = Path()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "PortMapper":
        self._home = Path(tempfile.mkdtemp(prefix="hookfetch-erlang-"))
        try:
            # In the foreground, so that it is our child: the one that Erlang starts by itself, when a broker
            # is there before its mapper, is nobody's and stays.
            self._process = subprocess.Popen(
                [*DYING_WITH_PARENT, "epmd", "-port", str(self._port), "-address", "127.0.0.1"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self._wait_until_ready(self._process)
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._clean_up()

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + _READY_WITHIN
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"epmd does not listen on 127.0.0.1:{self._port}: is the port taken?")
            time.sleep(0.005)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
            return True
        return False

    def _clean_up(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_WITHIN)
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a program that is to find this mapper, without any other broker's."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("RABBITMQ_")}
        return inherited | {
            "HOME": str(self._home),
            "ERL_EPMD_PORT": str(self._port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }


def free_ports(count: int) -> list[int]:
    """Return free ports below the ephemeral range, so that a broker gets its own back after an outage."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found


def die_with_parent() -> None:
    """Have the kernel end this process with the thread that started it."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
