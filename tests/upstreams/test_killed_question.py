"""A question by git to an upstream that says nothing ends, also when who asked was killed meanwhile."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ASK = """
import asyncio, sys
from hookfetch.upstreams.ls_remote import ls_remote
asyncio.run(ls_remote(sys.argv[1], ["refs/"], 1.0))
"""


def asking(url: str) -> list[int]:
    """Return the processes of git that ask `url`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if url.encode() in words and words[0].endswith(b"git"):
            found.append(int(entry.parent.name))
    return found


def test_what_a_killed_process_was_asking_ends_by_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"git://127.0.0.1:{silent.getsockname()[1]}/x.git"
        process = subprocess.Popen([sys.executable, "-c", ASK, url])
        until = time.monotonic() + 20
        while not asking(url):
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert asking(url)  # nobody has ended it
        while asking(url):
            assert time.monotonic() < until
            time.sleep(0.05)
