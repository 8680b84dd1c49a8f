"""The log in-process: the newest entries in one shared window, read by position. It keeps nothing
over a restart, and no copy for a follower."""

import asyncio
from dataclasses import replace

import structlog

from hookfetch.bus.attempts import Backoff, attempt
from hookfetch.bus.consumer import Consumer, Stop
from hookfetch.core.ports import Handler, Message

log = structlog.get_logger(__name__)


class LogWindow:
    """The `limit` newest entries; positions count from 0 and are never used again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ring: list[Message] = []
        self._end = 0
        self._grown = asyncio.Event()

    @property
    def first(self) -> int:
        """Return the position of the oldest kept entry (the next entry's when there is none)."""
        return self._end - len(self._ring)

    def append(self, entry: Message) -> None:
        """Add an entry; the oldest one goes when the window is full."""
        if len(self._ring) < self._limit:
            self._ring.append(entry)
        else:
            self._ring[self._end % self._limit] = entry
        self._end += 1
        # Waiters hold the old event; the next ones wait for the next entry.
        self._grown.set()
        self._grown = asyncio.Event()

    def records(self, prefix: str) -> list[Message]:
        """Return the entries whose id begins with `prefix`, in order."""
        at = self._end % len(self._ring) if self._ring else 0
        return [entry for entry in (*self._ring[at:], *self._ring[:at]) if entry.id.startswith(prefix)]

    async def read(self, position: int) -> Message:
        """Return the entry at `position`, waiting until it is written; not for one before `first`."""
        while position >= self._end:
            await self._grown.wait()
        return self._ring[position % self._limit]


class Follower(Consumer):
    """Hands one handler every entry, in order, from the oldest kept.

    One that falls out of the window goes on from its oldest entry, as a reader of a broker's
    truncated stream does, and an error says how many it missed: entries are numbered, so the
    handler sees the gap. An entry that its handler cannot take is logged and passed over; it
    is no dead letter, for the log still holds it.
    """

    def __init__(self, window: LogWindow, handler: Handler, backoff: Backoff) -> None:
        super().__init__()
        self._window = window
        self._handler = handler
        self._backoff = backoff
        self.start()

    async def run(self) -> None:
        """Read until `stop`."""
        position = self._window.first
        while not self.stop.is_set():
            if position < self._window.first:
                log.error("log_entries_missed", count=self._window.first - position)
                position = self._window.first
            entry = await self.stop.first(self._window.read(position))
            if entry is not None:
                await handle_entry(self._handler, entry, self.stop, self._backoff)
                position += 1


async def handle_entry(handler: Handler, entry: Message, stop: Stop, backoff: Backoff) -> None:
    """Run `handler` on a log entry until it takes it, it is hopeless, or `stop`."""
    entry = replace(entry, attempt=1)
    while not stop.is_set():
        outcome = await attempt(handler, entry)
        if outcome.kind == "done":
            return
        if outcome.kind == "dead":
            log.error("log_entry_passed_over", message_id=entry.id, reason=outcome.reason)
            return
        await stop.pause(backoff.pause(entry.attempt))
        entry = replace(entry, attempt=entry.attempt + 1)
