"""Dead letters of a project that were marked to be sent again, taken up by its running coordinator.

A letter stays in the folder until its message was handled or has died again: killed anywhere, it is sent
again after the next start, which its id makes harmless.
"""

import asyncio

import structlog

from hookfetch.bus.consumer import Consumer
from hookfetch.bus.dead_letters import DeadLetterFolder
from hookfetch.bus.memory.lane import Lane
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import Message

log = structlog.get_logger(__name__)

INTERVAL = 1.0  # seconds between two looks into the folder
_AT_ONCE = 100  # letters a look


class Replays(Consumer):
    """Watches `folder` for the letters of `lane`'s project."""

    def __init__(self, folder: DeadLetterFolder, lane: Lane) -> None:
        super().__init__()
        self._folder = folder
        self._lane = lane
        self.start()

    async def run(self) -> None:
        """Look, send, and wait, until `stop`."""
        while not self.stop.is_set():
            try:
                await self.stop.first(self._look())
            except (Temporary, OSError) as error:
                log.info("replay_waits", project=self._lane.project, reason=str(error))
            await self.stop.pause(INTERVAL)

    async def _look(self) -> None:
        origin = f"project:{self._lane.project}"
        for letter in await asyncio.to_thread(self._folder.replayed, origin, _AT_ONCE):
            await self._lane.send(Message(id=letter.id, body=letter.body, earlier=letter.attempts))
            await asyncio.to_thread(self._folder.taken_up, letter)
            log.info("replayed", message_id=letter.id, project=self._lane.project)
