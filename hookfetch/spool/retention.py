"""Keeps what an ingress remembers within its age and size: periodically, oldest first, in small steps.

It never touches a delivery that waits.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from hookfetch.core.errors import Temporary
from hookfetch.spool.archive import STEP, Archive
from hookfetch.spool.book import STEP as ROWS
from hookfetch.spool.book import DeliveryBook

INTERVAL = 60.0  # seconds between two looks
# Seconds after which a segment that is not full ends, so that a quiet ingress also forgets.
TURN_AFTER = 6 * 3600.0
_DAY = 86400.0

_log = structlog.get_logger(__name__)


class Turning(Protocol):
    """What writes segments that end up in the archive."""

    async def turn(self, older_than: float) -> None:
        """End the current segment if it was begun more than `older_than` seconds ago."""


class Retention:
    """Shrinks `archive` to `keep_days` and `keep_bytes`, and `book` to `keep_days`; `spools` end their
    segments in time."""

    def __init__(
        self,
        spools: Sequence[Turning],
        archive: Archive,
        book: DeliveryBook,
        *,
        keep_days: float,
        keep_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._spools = spools
        self._archive = archive
        self._book = book
        self._keep_seconds = keep_days * _DAY
        self._keep_bytes = keep_bytes
        self._clock = clock
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; spools and book must be open."""
        self._running = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        """End where it stands."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running])

    async def look(self) -> None:
        """Delete what is too old or too much; Temporary when the disk or the book refuses."""
        for spool in self._spools:
            await spool.turn(min(TURN_AFTER, self._keep_seconds))
        oldest = self._clock() - self._keep_seconds
        try:
            deleted = STEP
            while deleted == STEP:
                deleted = await asyncio.to_thread(self._archive.shrink, self._keep_bytes, oldest)
        except OSError as error:
            raise Temporary(f"the archive cannot be shrunk: {error}") from error
        forgotten = ROWS
        while forgotten == ROWS:
            forgotten = await self._book.forget(oldest)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Temporary as error:
                _log.warning("retention_waits", reason=str(error))
            except Exception:  # noqa: BLE001 (logged; the next look comes whatever went wrong in this one)
                _log.exception("retention_failed")
            await asyncio.sleep(INTERVAL)
