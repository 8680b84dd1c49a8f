"""A repository's refs by `git ls-remote`, for what is not http(s): ssh and the git protocol.

One process a look, ended with all its children at the deadline, its output bounded. It asks
nobody anything and speaks no protocol but those named here, whatever the URL says.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence

from hookfetch.core.errors import Permanent, Temporary
from hookfetch.core.observation import RemoteRef
from hookfetch.upstreams.advertisement import RefCollector

MAX_ANSWER = 64 * 1024 * 1024  # bytes
_MAX_COMPLAINT = 64 * 1024
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "https:http:ssh:git",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


async def ls_remote(url: str, prefixes: Sequence[str], timeout: float) -> Mapping[str, RemoteRef]:
    """Return the refs below any of `prefixes` of the repository at `url`, within `timeout` seconds.

    Temporary when git fails, with the last line of what it says, and when there is no answer in
    time or it is too long; Permanent when there is no git.
    """
    try:
        async with asyncio.timeout(timeout), _git("ls-remote", "--", url) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            output, complaint = await asyncio.gather(
                _read(process.stdout, MAX_ANSWER), _read(process.stderr, _MAX_COMPLAINT)
            )
            status = await process.wait()
    except TimeoutError as error:
        raise Temporary(f"git ls-remote: no complete answer within {timeout:g} s") from error
    except FileNotFoundError as error:
        raise Permanent("git is not installed") from error
    except ValueError as error:
        raise Permanent(f"git ls-remote: {error}") from error
    if status != 0:
        lines = complaint.decode("utf-8", "replace").strip().splitlines() or [f"git ended with {status}"]
        raise Temporary(f"git ls-remote: {lines[-1][:300]}")
    return _parse(output, tuple(prefixes))


@contextlib.asynccontextmanager
async def _git(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {**os.environ, **_ENVIRONMENT}
    environment.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    process = await asyncio.create_subprocess_exec(
        "git",
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


async def _read(stream: asyncio.StreamReader, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := await stream.read(64 * 1024):
        size += len(piece)
        if size > limit:
            raise Temporary(f"git ls-remote says more than {limit} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _parse(output: bytes, prefixes: tuple[str, ...]) -> Mapping[str, RemoteRef]:
    refs = RefCollector(prefixes)
    for line in output.splitlines():
        oid, _, name = line.partition(b"\t")
        if name.endswith(b"^{}"):
            refs.peel(oid.decode("ascii", "replace"), name.removesuffix(b"^{}"))
        else:
            refs.add(oid.decode("ascii", "replace"), name)
    return refs.refs
