"""Keeps a project's index: loads the project through the engine and binds its queue to exactly
the repositories that its elements follow. Never touches the project's files.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from hookfetch.core.errors import HookfetchError, Replaced
from hookfetch.core.matching import Index
from hookfetch.core.ports import Bus, Engine
from hookfetch.core.repository import routing_key
from hookfetch.core.sources import Element
from hookfetch.store import bindings, refs, takeover
from hookfetch.store.database import Database

_log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 300.0


class Loader:
    """`index` is the last good load's; until there is one, `unhealthy` says why in one line."""

    def __init__(
        self, *, project: str, engine: Engine, bus: Bus, database: Database, clock: Callable[[], float]
    ) -> None:
        self._project = project
        self._engine = engine
        self._bus = bus
        self._database = database
        self._clock = clock
        self.index: Index | None = None
        self.unhealthy: str | None = "the project is still being loaded"

    async def restore_bindings(self) -> None:
        """Bind what the last good load bound, so that nothing goes past the project while it loads."""
        await self._bus.bind(self._project, await self._database.run(bindings.stored))

    async def load(self) -> None:
        """Try until the project loads, with growing pauses (2 s to 5 min)."""
        pause = _FIRST_PAUSE
        while self.index is None and not await self.attempt():
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def attempt(self) -> bool:
        """Load once; return whether the project is healthy. Replaced when another coordinator has taken
        over meanwhile."""
        try:
            loaded = await self._engine.load(self._project)
            index = Index.of(loaded.elements)
            keys = frozenset(map(routing_key, index.identities()))
            # Bound before anything is swept: a push in between is queued, or the sweep finds it.
            await self._bus.bind(self._project, keys)
            await self._database.run(partial(_store, elements=loaded.elements, keys=keys, now=self._clock()))
        except Replaced:
            raise
        except HookfetchError as error:
            self.unhealthy = str(error)
            _log.error("project unhealthy", project=self._project, reason=self.unhealthy)
            return False
        self.index, self.unhealthy = index, None
        _log.info(
            "project loaded",
            project=self._project,
            elements=len(loaded.elements),
            repositories=len(index.repositories()),
        )
        return True


def _store(db: sqlite3.Connection, elements: Sequence[Element], keys: frozenset[str], now: float) -> None:
    refs.settle(db, elements)
    takeover.look_again(db, now)
    bindings.store(db, keys)
