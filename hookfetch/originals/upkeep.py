"""Keeps what this machine has of upstreams within its size, and packed: once in a while, beside the jobs."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

import structlog

from hookfetch.originals.expiry import expire
from hookfetch.originals.folder import Folder
from hookfetch.originals.packing import pack_scattered

INTERVAL = 600.0  # seconds between two looks

_log = structlog.get_logger(__name__)


class Upkeep:
    """Shrinks what is kept below `state_dir` to `quota` bytes, and packs mirrors; in a thread of its own."""

    def __init__(self, state_dir: Path, quota: int, interval: float = INTERVAL) -> None:
        self._state_dir = state_dir
        self._quota = quota
        self._interval = interval
        self._stopped = threading.Event()  # for the thread
        self._ending = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin with a first look."""
        self._stopped.clear()
        self._ending.clear()
        self._running = asyncio.create_task(self._run(), name="mirrors")

    async def stop(self) -> None:
        """End soon; what is being packed is left as it was."""
        self._stopped.set()
        self._ending.set()
        running, self._running = self._running, None
        if running is not None:
            await asyncio.wait([running])

    async def _run(self) -> None:
        while not self._stopped.is_set():
            await asyncio.to_thread(self._look)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), self._interval)

    def _look(self) -> None:
        try:
            done = expire(self._state_dir, self._quota)
            if done.given_up:
                freed = sum(entry.kept.bytes for entry in done.given_up)
                _log.info("mirrors given up", count=len(done.given_up), bytes=freed, left=done.bytes_left)
            pack_scattered(Folder.of(self._state_dir), self._stopped)
        except OSError as error:
            _log.warning("mirrors not kept in size", reason=str(error))
        except Exception:  # noqa: BLE001 - a bug of ours, logged: jobs go on, and the next look may too
            _log.exception("mirrors not kept in size")
