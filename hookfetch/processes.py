"""Find and end every process that descends from a worker, or from git where it asks upstreams, by a mark in
its environment.

Children leave their parent's process group and session (BuildStream's do), and outlive its
death; the mark stays with them. A process without the mark is never signalled, whatever
its number. Linux only, as is BuildStream's storage daemon.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "HOOKFETCH_MARK"
_POLL = 0.01  # seconds


def marked(token: str) -> Iterator[int]:
    """Yield the numbers of the living processes that carry `token`, except this one."""
    entry = f"{MARK}={token}".encode()
    for place in Path("/proc").iterdir():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        if _carries(place, entry):
            yield int(place.name)


def end_marked(token: str, within: float) -> bool:
    """Kill every process that carries `token` until none is left; return whether that took less than
    `within` seconds. Blocks: call it from a thread."""
    deadline = time.monotonic() + within
    while True:
        # Again until none is found: one that is being killed may just have started another.
        left = [pid for pid in marked(token) if _kill(pid, token)]
        if not left:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)


def _carries(place: Path, entry: bytes) -> bool:
    try:
        return entry in (place / "environ").read_bytes().split(b"\0")
    except OSError:  # gone, a zombie, or somebody else's
        return False


def _kill(pid: int, token: str) -> bool:
    """Kill `pid` if it is still the process that carries `token`."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # Looked at again through a held process: the number may have passed to another since.
        if not _carries(Path(f"/proc/{pid}"), f"{MARK}={token}".encode()):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True
