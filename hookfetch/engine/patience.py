"""How long a worker waits for an upstream that says nothing, or next to nothing. Importing it is all.

Source plugins download by Python's sockets with time-outs of ten minutes or none, and none ends a download
that drips. So every socket of this process gives up after STALL seconds without a byte, and every download
(`makefile`, which http.client and dulwich read from) after twice as long at under SLOWEST bytes a second.
Both are read from the variables by which git is told them (git-config(1), `http.lowSpeedLimit`).
An import, since that is all that can be asked of a forkserver, whose children download tar and the like.
"""

import os
import socket
import time
from typing import Any

import urllib3

STALL = float(os.environ.get("GIT_HTTP_LOW_SPEED_TIME", "120")) / 2  # seconds
SLOWEST = float(os.environ.get("GIT_HTTP_LOW_SPEED_LIMIT", "100"))

_set_timeout = socket.socket.settimeout


def _set_bounded_timeout(self: socket.socket, value: float | None) -> None:
    _set_timeout(self, None if value is None else min(value, STALL))


class _BoundedReader(socket.SocketIO):
    """A socket's bytes for as long as they come fast enough; TimeoutError after that."""

    def __init__(self, sock: Any, mode: Any) -> None:
        super().__init__(sock, mode)
        self._socket = sock
        self._waited = 0.0
        self._received = 0

    def readinto(self, buffer: Any) -> int | None:
        if self._socket.gettimeout() is None:
            self._socket.settimeout(STALL)
        began = time.monotonic()
        try:
            size = super().readinto(buffer)
        except TimeoutError as error:
            raise TimeoutError(f"timed out: nothing was received for {STALL:g} s") from error
        self._waited += time.monotonic() - began  # not what the reader does between its reads
        self._received += size or 0
        if self._waited >= 2 * STALL:
            if self._received < SLOWEST * self._waited:
                raise TimeoutError(
                    f"timed out: {self._received} bytes in {self._waited:.0f} s are too few to go on"
                )
            self._waited, self._received = 0.0, 0
        return size


socket.socket.settimeout = _set_bounded_timeout  # type: ignore[method-assign, assignment]
socket.SocketIO = _BoundedReader  # type: ignore[misc]
# dulwich asks again three times where it was not answered, and waits as long each time.
urllib3.Retry.DEFAULT = urllib3.Retry(3, read=0)
