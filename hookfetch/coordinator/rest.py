"""Whether a coordinator's project is paused, for those who wait for it to change. The store knows it;
this is what was read there last.
"""

import asyncio

from hookfetch.store import pause
from hookfetch.store.database import Database


class Rest:
    """Not paused until `read`."""

    def __init__(self) -> None:
        self._paused = False
        self._changed = asyncio.Condition()

    async def read(self, database: Database) -> None:
        """Take over what the store says."""
        found = await database.run(pause.paused)
        async with self._changed:
            self._paused = found is not None
            self._changed.notify_all()

    @property
    def paused(self) -> bool:
        """Return whether the project is paused."""
        return self._paused

    async def until(self, paused: bool) -> None:
        """Return once the project is `paused`, or is not."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._paused is paused)
