"""Runs git against an upstream: one process, ended with all its children at the deadline, its output
bounded. It asks nobody anything and speaks no protocol but those named here, whatever a URL says.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence

from hookfetch.core.errors import Permanent, Temporary

MAX_ANSWER = 64 * 1024 * 1024  # bytes
_MAX_COMPLAINT = 64 * 1024
_GRACE = 2.0  # seconds
_NOT_FOUND = 127  # how timeout(1) ends without the command
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "https:http:ssh:git",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
# Nobody is there to be asked, and a connection that died is noticed, also by an ssh that nobody waits for.
_SSH = "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15 -oServerAliveCountMax=4"
# For a repository of this machine that the operator named.
LOCAL = {"GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file"}


async def git(
    arguments: Sequence[str],
    timeout: float,
    *,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Return what git prints for a command with its `arguments`, within `timeout` seconds. `options` are
    git's own; `environment` is set beside the safe one, or instead of parts of it.

    Temporary when git fails, with the last line of what it says, and when there is no answer in
    time or it is too long; Permanent when there is no git.
    """
    name = f"git {arguments[0]}"
    try:
        command = [*options, *arguments]
        async with asyncio.timeout(timeout), _process(command, timeout, environment or {}) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            output, complaint = await asyncio.gather(
                _read(process.stdout, MAX_ANSWER, name), _read(process.stderr, _MAX_COMPLAINT, name)
            )
            status = await process.wait()
    except TimeoutError as error:
        raise Temporary(f"{name}: no complete answer within {timeout:g} s") from error
    except FileNotFoundError as error:
        raise Permanent("timeout(1), of coreutils, is not installed") from error
    except ValueError as error:
        raise Permanent(f"{name}: {error}") from error
    if status == _NOT_FOUND:
        raise Permanent("git is not installed")
    if status != 0:
        lines = complaint.decode("utf-8", "replace").strip().splitlines() or [f"git ended with {status}"]
        raise Temporary(f"{name}: {lines[-1][:300]}")
    return output


@contextlib.asynccontextmanager
async def _process(
    arguments: Sequence[str], within: float, more: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {**os.environ, **_ENVIRONMENT, **more}
    environment.setdefault("GIT_SSH_COMMAND", _SSH)
    # It ends by itself, too, should this process be killed meanwhile.
    process = await asyncio.create_subprocess_exec(
        *("timeout", f"--kill-after={_GRACE:g}", f"{within + _GRACE:g}", "git"),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd="/",  # no repository there whose configuration would count
        start_new_session=True,  # a group of its own: git's children end with it
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):  # all of it ended already
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _read(stream: asyncio.StreamReader, limit: int, name: str) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := await stream.read(64 * 1024):
        size += len(piece)
        if size > limit:
            raise Temporary(f"{name} says more than {limit} bytes")
        pieces.append(piece)
    return b"".join(pieces)
