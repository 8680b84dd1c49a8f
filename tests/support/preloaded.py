"""A process that has imported hookfetch and becomes its commands by forking: each is a process of its own and
runs the same code as `python -m hookfetch`, but for the second of processor time that the imports take.

Started by `tests.support.commands` alone. It has one thread, opens nothing, and keeps no state between
commands; it ends, and what still runs with it, when its standard input does.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import socket
import sys
from dataclasses import dataclass
from typing import Any

from tests.support.erlang import die_with_parent

IMPORTED = (
    "hookfetch.affected",
    "hookfetch.bootstrap",
    "hookfetch.cli",
    "hookfetch.client.telling",
    "hookfetch.client.terminal",
    "hookfetch.client_configuration",
    "hookfetch.dead",
    "hookfetch.logs",
    "hookfetch.service",
    "hookfetch.store.backup",
    "hookfetch.updates",
    "rich.console",
)
MOST = 1 << 18  # bytes of a request: arguments, a folder and an environment
HANDED = 4  # file descriptors: standard input, output and error, and where to report


@dataclass(frozen=True, slots=True)
class Request:
    """A command to become, its files, and where its process id and its exit code are told."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]


def wanted(requests: socket.socket) -> Request | None:
    """Answer requests until they end, and return None; return in each fork with what it is to become."""
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        reports: dict[int, tuple[int, int]] = {}  # by pidfd: whose, and where it is told
        while True:
            for key, _ in selector.select():
                if key.fileobj is not requests:
                    selector.unregister(key.fd)
                    _tell_the_end(key.fd, *reports.pop(key.fd))
                    continue
                request = _receive(requests)
                if request is None:
                    return None
                pid = os.fork()
                if pid == 0:
                    return request
                *files, report = request.files
                for file in files:
                    os.close(file)
                _tell(report, pid)
                ended = os.pidfd_open(pid)
                reports[ended] = pid, report
                selector.register(ended, selectors.EVENT_READ)


def _receive(requests: socket.socket) -> Request | None:
    message, files, _, _ = socket.recv_fds(requests, MOST, HANDED)
    return Request(**json.loads(message), files=files) if message else None


def _tell_the_end(pidfd: int, pid: int, report: int) -> None:
    _, status = os.waitpid(pid, 0)
    os.close(pidfd)
    _tell(report, os.waitstatus_to_exitcode(status))
    os.close(report)


def _tell(report: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # who asked may be gone
        os.write(report, b"%d\n" % number)


def become(request: Request) -> Any:
    """Go on as `python -m hookfetch` with the arguments, until it ends this process."""
    die_with_parent()
    for standard, file in enumerate(request.files[:3]):
        os.dup2(file, standard)
    os.closerange(3, 1024)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv[1:] = request.arguments
    runpy.run_module("hookfetch", run_name="__main__", alter_sys=True)


def main() -> None:
    requests = socket.socket(fileno=0)
    for module in IMPORTED:
        importlib.import_module(module)
    gc.freeze()  # or the first collection of each fork would copy all of it
    request = wanted(requests)
    if request is not None:
        requests.detach()
        become(request)


if __name__ == "__main__":
    main()
