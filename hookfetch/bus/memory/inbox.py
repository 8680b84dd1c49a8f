"""A transient address for replies in-process. A reply is handled at most once, and never kept."""

import asyncio
from dataclasses import replace

import structlog

from hookfetch.bus.attempts import attempt
from hookfetch.bus.consumer import Consumer
from hookfetch.core.errors import Busy
from hookfetch.core.ports import Handler, Message

log = structlog.get_logger(__name__)

_WAITING_LIMIT = 1000


class MemoryInbox(Consumer):
    """Handles replies in the order they come, one at a time."""

    def __init__(self, address: str, handler: Handler) -> None:
        super().__init__()
        self._address = address
        self._handler = handler
        self._waiting: asyncio.Queue[Message] = asyncio.Queue(_WAITING_LIMIT)
        self.start()

    @property
    def address(self) -> str:
        """Return what others pass to `publish_reply`."""
        return self._address

    def put(self, reply: Message) -> None:
        """Add a reply; Busy when 1000 wait."""
        try:
            self._waiting.put_nowait(replace(reply, attempt=1))
        except asyncio.QueueFull as error:
            raise Busy(f"{self._address}: {_WAITING_LIMIT} replies are waiting") from error

    async def run(self) -> None:
        """Handle replies until `stop`."""
        while not self.stop.is_set():
            reply = await self.stop.first(self._waiting.get())
            if reply is not None:
                await handle_reply(self._handler, reply)


async def handle_reply(handler: Handler, reply: Message) -> None:
    """Run `handler` on a reply once; a failure is logged, since nobody would repeat it."""
    outcome = await attempt(handler, reply)
    if outcome.kind != "done":
        log.warning("reply_lost", message_id=reply.id, reason=outcome.reason)
