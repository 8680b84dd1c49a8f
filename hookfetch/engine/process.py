"""One worker process as its supervisor sees it: start it, ask it, end it with all its descendants.

Never blocks the event loop. Whatever way a worker ends, its watcher sees it and cleans up.
"""

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Self

import structlog

from hookfetch.core.errors import Temporary
from hookfetch.engine.full_disk import is_full, make_room_on
from hookfetch.engine.messages import (
    REPLIES,
    REQUESTS,
    Done,
    Load,
    LookAhead,
    Mirrors,
    Refused,
    Reply,
    Run,
    Start,
    Tracked,
    Unavailable,
)
from hookfetch.engine.mounts import unmount_below
from hookfetch.processes import MARK, end_marked

_log = structlog.get_logger(__name__)

_MAX_REPLY = 64 * 1024 * 1024  # bytes of one line; a large project's elements are about one
_END_WITHIN = 10.0  # seconds for descendants to disappear once killed

# What a worker may know of its environment: where programs, certificates, proxies and ssh
# keys are. Everything else stays here, tokens and broker addresses among it.
_PASSED = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
_SET = {
    "GIT_TERMINAL_PROMPT": "0",
    # Not `ext`: no address runs a program. `file` is there because source plugins stage by cloning
    # their own mirrors, by path; a `file:` address, in an element or an upstream's .gitmodules,
    # is turned into one that git refuses.
    "GIT_ALLOW_PROTOCOL": "http:https:ssh:git:file",
    # Nobody is there to be asked, and a connection that died is noticed.
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=30"
    " -oServerAliveInterval=15 -oServerAliveCountMax=4",
    # A download below this, in bytes a second, is ended: `patience.py` does it for all that is not git.
    "GIT_HTTP_LOW_SPEED_LIMIT": "100",
}
# A repository that has moved redirects the first question; none that was asked it redirects later ones.
_GIT_CONFIGURATION = (("url.refused://.insteadOf", "file://"), ("http.followRedirects", "initial"))


class Slot:
    """A worker's directory, held by one engine at a time, cleared of what an earlier one left."""

    def __init__(self, directory: Path, lock: IO[str]) -> None:
        self.directory = directory
        self._lock = lock

    @classmethod
    def take(cls, parent: Path, limit: int) -> Self:
        """Return the first free slot below `parent`; Temporary when `limit` are taken. Blocks."""
        for number in range(limit):
            directory = parent / str(number)
            directory.mkdir(parents=True, exist_ok=True)
            lock = (directory / "lock").open("a+")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            slot = cls(directory, lock)
            slot.clear()
            # Of an earlier version, which kept mirrors here; since then, only what is of this machine.
            shutil.rmtree(directory / "sources", ignore_errors=True)
            return slot
        raise Temporary(f"all {limit} worker directories below {parent} are in use")

    @classmethod
    def clear_all(cls, root: Path) -> None:
        """Clear every slot of every project below `root` that no engine holds, also of those that this one
        will never take: a project may be gone, or have fewer workers. Blocks."""
        for path in sorted(root.glob("*/*/lock")):
            with path.open("a+") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    cls(path.parent, lock).clear()
                except BlockingIOError:
                    continue
                except Temporary as error:  # who takes the slot tries again
                    _log.warning("worker directory not cleared", reason=str(error))

    @property
    def _record(self) -> Path:
        return self.directory / "token"

    def record(self, token: str) -> None:
        """Write down the mark of the worker to come, before it exists."""
        self._record.write_text(token, encoding="ascii")

    def clear(self) -> None:
        """End every process of the recorded worker and remove its temporary files. Blocks."""
        if not self._record.exists():
            return
        token = self._record.read_text(encoding="ascii")
        if token and not end_marked(token, within=_END_WITHIN):
            raise Temporary(f"processes of an earlier worker in {self.directory} do not end")
        try:
            unmount_below(self.directory)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Temporary(f"an earlier worker's mounts stay: {error}") from error
        shutil.rmtree(temporary_directory(token), ignore_errors=True)
        shutil.rmtree(self.directory / "cache" / "tmp", ignore_errors=True)
        shutil.rmtree(self.directory / "supplied", ignore_errors=True)
        self._record.unlink()

    def release(self) -> None:
        """Clear it and let another engine have it. Blocks."""
        try:
            self.clear()
        finally:
            self._lock.close()


def _take_slot(parent: Path, limit: int, mirrors: Mirrors) -> Slot:
    """Return a slot as `Slot.take`; Temporary, too, when the disk is full."""
    folder = Path(mirrors.state_dir)
    folder.mkdir(parents=True, exist_ok=True)
    if is_full("", folder):
        told = make_room_on(folder, mirrors.bytes)
        if is_full("", folder):
            raise Temporary(told)
    return Slot.take(parent, limit)


def temporary_directory(token: str) -> Path:
    """Return where a worker puts its temporary files: short, for a socket's path fits in 107 bytes."""
    return Path(tempfile.gettempdir()) / f"hookfetch-{token[:12]}"


class WorkerProcess:
    """A started worker. `loaded` names the load of the project it has made last, `jobs` is how
    many it has done, `looks` the looks ahead it makes for jobs that wait for it; all are the engine's to
    keep. A `spent` one is leaving by itself."""

    def __init__(self, process: asyncio.subprocess.Process, slot: Slot, token: str) -> None:
        self._process = process
        self._token = token
        self._slot = slot
        self.loaded: str | None = None
        self.jobs = 0
        self.looks: set[int] = set()
        self.spent = False
        self._gone = asyncio.ensure_future(self._watch())

    @classmethod
    async def start(cls, parent: Path, limit: int, start: Start, stall: float) -> Self:
        """Return a started worker in a free slot below `parent`; Temporary when there is none. It waits
        `stall` seconds for an upstream that is silent, twice as long for one that drips."""
        slot = await asyncio.to_thread(_take_slot, parent, limit, start.mirrors)
        token = uuid.uuid4().hex
        temporary = temporary_directory(token)
        try:
            slot.record(token)
            temporary.mkdir(mode=0o700)
            with (slot.directory / "worker.log").open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "hookfetch.engine",
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    env={**_environment(stall), "TMPDIR": str(temporary), MARK: token},
                    start_new_session=True,
                    limit=_MAX_REPLY,
                )
        except BaseException:
            await asyncio.shield(asyncio.to_thread(slot.release))
            raise
        worker = cls(process, slot, token)
        worker._send(REQUESTS.dump_json(replace(start, directory=str(slot.directory))))
        return worker

    @property
    def disk(self) -> tuple[Path, ...]:
        """Return where its jobs put what they download and unpack."""
        folder = self._slot.directory
        return folder / "supplied", folder / "cache" / "tmp", temporary_directory(self._token)

    @property
    def pid(self) -> int:
        """Return the worker's process id."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Return whether it can be asked."""
        return self._process.returncode is None and not self._gone.done()

    async def ask(self, request: Load | Run, on_tracked: Callable[[Tracked], Awaitable[None]]) -> Reply:
        """Return the reply to `request`; Temporary when the worker dies over it."""
        self._send(REQUESTS.dump_json(request))
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            reply = REPLIES.validate_json(line)
            if not isinstance(reply, Tracked):
                self.spent = isinstance(reply, Done | Refused | Unavailable) and reply.spent
                return reply
            await on_tracked(reply)
        await asyncio.shield(self._gone)
        raise Temporary(
            f"the BuildStream worker ended with {self._process.returncode} in the middle of a job"
        )

    def look_ahead(self, request: LookAhead) -> None:
        """Have the worker begin to look, whatever it is asked now."""
        self._send(REQUESTS.dump_json(request))

    def _send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        # Requests are small, and a worker that does not read them is ended by the job's deadline.
        self._process.stdin.write(line + b"\n")

    async def end(self, within: float) -> None:
        """Have the worker leave, or kill it after `within` seconds; return once nothing of it is left."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._gone), within)
        except TimeoutError:
            await self.kill()
        except asyncio.CancelledError:  # nobody will look after it any more
            await self.kill()
            raise

    async def kill(self) -> None:
        """Kill the worker; return once nothing of it is left."""
        # By its mark, as its descendants: asyncio's own kill may reap it unseen by the watcher.
        await asyncio.shield(asyncio.to_thread(end_marked, self._token, _END_WITHIN))
        await asyncio.shield(self._gone)

    async def _watch(self) -> None:
        await self._process.wait()
        await asyncio.to_thread(self._slot.release)


def _environment(stall: float) -> dict[str, str]:
    environment = _SET | {name: os.environ[name] for name in _PASSED if name in os.environ}
    environment["GIT_HTTP_LOW_SPEED_TIME"] = str(max(1, round(2 * stall)))  # git knows one time for both
    environment["GIT_CONFIG_COUNT"] = str(len(_GIT_CONFIGURATION))
    for number, (key, value) in enumerate(_GIT_CONFIGURATION):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environment
