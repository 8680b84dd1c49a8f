"""Keeps a project's index: loads its branch through the engine, again whenever something happened to it,
and binds its queue to exactly the repositories that its elements follow. Never touches the project's files.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import structlog

from hookfetch.core.entries import RefLanded, RefSuperseded
from hookfetch.core.errors import HookfetchError, Replaced
from hookfetch.core.jobs import Reloaded
from hookfetch.core.matching import Index
from hookfetch.core.own import OwnBranch
from hookfetch.core.policy import Policy
from hookfetch.core.ports import Bus, Engine
from hookfetch.core.repository import routing_key
from hookfetch.core.sources import LoadedProject
from hookfetch.core.supplied import SuppliedRules
from hookfetch.store import ahead, bindings, log, recipes, refs, takeover
from hookfetch.store.database import Database

_log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 300.0
_CAUSES_MOST = 100  # deliveries, and clients, behind one load

Answer = Callable[[Reloaded | str], Awaitable[None]]


class Loader:
    """`index` is the last good load's, and `revision` the commit it was made of (None for a checkout).
    `unhealthy` says in one line why there is none yet, or why a newer one does not load: then the last good
    one stays in use."""

    def __init__(
        self,
        *,
        project: str,
        engine: Engine,
        bus: Bus,
        database: Database,
        clock: Callable[[], float],
        policy: Policy | None = None,
        own: OwnBranch | None = None,
        fetches_ahead: bool = False,
        supplied_rules: SuppliedRules | None = None,
    ) -> None:
        """`policy` is what is configured; the project's own word comes to it with each load. With
        `fetches_ahead` the sources of new and changed elements are fetched after a load. `supplied_rules` are
        for clients' own elements, of which none is taken without them."""
        self._project = project
        self._engine = engine
        self._bus = bus
        self._database = database
        self._clock = clock
        self._fetches_ahead = fetches_ahead
        self._loaded: LoadedProject | None = None
        self._asked = asyncio.Event()
        self._causes: dict[str, None] = {}
        self._answers: list[Answer] = []
        self._configured = policy or Policy()
        self.policy = self._configured
        self.own = own
        self.supplied_rules = supplied_rules or SuppliedRules()
        self.index: Index | None = None
        self.revision: str | None = None
        self.unhealthy: str | None = "the project is still being loaded"
        self.ready = asyncio.Event()  # set once there is an index
        self.log_id = ""

    @property
    def aliases(self) -> Mapping[str, str]:
        """Return what the project's own aliases stand for, as it was loaded last."""
        tables = () if self._loaded is None else self._loaded.aliases[:1]
        return MappingProxyType({alias.name: alias.address for table in tables for alias in table.aliases})

    async def restore_bindings(self) -> None:
        """Bind what the last good load bound, and the project's own repository, so that nothing goes past
        the project while it loads."""
        known = await self._database.run(bindings.stored)
        own = () if self.own is None else (routing_key(self.own.repository),)
        await self._bus.bind(self._project, known.union(own))

    def reload(self, cause: str, answer: Answer | None = None) -> bool:
        """Load again as soon as may be: the delivery, sweep or request `cause` told of the project's branch.
        `answer` is told what that load found, or why there is none; False when as many wait as may."""
        if len(self._causes) < _CAUSES_MOST:
            self._causes[cause] = None
        self._asked.set()
        if answer is not None:
            if len(self._answers) >= _CAUSES_MOST:
                return False
            self._answers.append(answer)
        return True

    async def keep(self, on_loaded: Callable[[], None]) -> None:
        """For ever: load when it is asked for and, while that fails, again with growing pauses (2 s to
        5 min); `on_loaded` is called after each load that was good."""
        pause = _FIRST_PAUSE
        if self.unhealthy is None:
            on_loaded()
        while True:
            try:
                async with asyncio.timeout(None if self.unhealthy is None else pause):
                    await self._asked.wait()
                pause = _FIRST_PAUSE
            except TimeoutError:
                pause = min(2 * pause, _LONGEST_PAUSE)
            if await self.attempt():
                on_loaded()

    async def attempt(self) -> bool:
        """Load the branch as it is now; return whether the project is healthy. Replaced when another
        coordinator has taken over meanwhile."""
        self._asked.clear()
        answers, self._answers = self._answers, []
        before = self._loaded
        try:
            healthy = await self._attempt()
        except BaseException:
            self._answers = [*answers, *self._answers]  # for the load that comes next
            raise
        if answers:
            await self._tell(answers, before)
        return healthy

    async def _tell(self, answers: Sequence[Answer], before: LoadedProject | None) -> None:
        """Tell who asked for the load that was just done what it changed, or why it was in vain."""
        if self.unhealthy is None and self._loaded is not None:
            found: Reloaded | str = _compared(before, self._loaded)
        else:
            found = self.unhealthy or "the project does not load"
        for answer in answers:
            await answer(found)

    async def _attempt(self) -> bool:
        causes = tuple(self._causes)
        try:
            if self.index is None and self.own is not None:
                # So that a push can mend a branch that does not load. What the coordinator before this one
                # bound, perhaps with another store, stays bound until it is known what is followed.
                own_key = routing_key(self.own.repository)
                await self._bus.bind(self._project, frozenset({own_key}), keep=True)
            loaded = await self._load()
            own = None
            if self.own is not None:
                own = self.own.repository, self.own.follower(loaded.revision)
            policy = loaded.policy_over(self._configured)
            still = loaded.still(policy)
            index = Index.of(loaded.elements, own, still)
            keys = frozenset(map(routing_key, index.identities()))
            # Bound before anything is swept: a push in between is queued, or the sweep finds it.
            await self._bus.bind(self._project, keys)
            store = partial(
                self._store,
                loaded=loaded,
                index=index,
                policy=policy,
                still=still,
                keys=keys,
                causes=causes,
            )
            landed, superseded, waiting = await self._database.run(store)
        except Replaced:
            raise
        except HookfetchError as error:
            self.unhealthy = str(error)
            _log.error("project unhealthy", project=self._project, reason=self.unhealthy)
            return False
        for cause in causes:
            self._causes.pop(cause, None)
        self.unhealthy = None
        for mistake in (each.mistake for each in loaded.elements if each.mistake is not None):
            _log.warning("policy not heeded", project=self._project, reason=mistake)
        self.ready.set()
        _log.info(
            "project loaded",
            project=self._project,
            revision=loaded.revision,
            elements=len(loaded.elements),
            repositories=len(index.repositories()),
            landed=landed,
            superseded=superseded,
            fetched_ahead=waiting,
        )
        return True

    async def _load(self) -> LoadedProject:
        revision = await self._engine.newest(self._project)
        if revision is not None and self._loaded is not None and revision == self._loaded.revision:
            return self._loaded
        return await self._engine.load(self._project, revision)

    def _store(
        self,
        db: sqlite3.Connection,
        loaded: LoadedProject,
        index: Index,
        policy: Policy,
        still: frozenset[str],
        keys: frozenset[str],
        causes: Sequence[str],
    ) -> tuple[int, int, int]:
        now = self._clock()
        landed, superseded = refs.settle(db, loaded.elements, still)
        settled = partial(
            log.append_settled,
            db,
            self.log_id,
            self._project,
            revision=loaded.revision,
            causes=causes,
            now=now,
        )
        settled(RefLanded, landed)
        settled(RefSuperseded, superseded)
        takeover.look_again(db, now)
        bindings.store(db, keys)
        recipes.remember_committed(db, loaded.elements, loaded.revision, now)
        waiting = 0
        if self._fetches_ahead:
            wanted = [
                each for each in loaded.elements if not (each.name in still and policy.of(each.name).ignore)
            ]
            waiting = ahead.ask(db, wanted, loaded.revision or "", causes, now)
        # Here, between two uses of the store: who hands out its jobs finds their elements in the index.
        self._loaded, self.index, self.revision, self.policy = loaded, index, loaded.revision, policy
        return len(landed), len(superseded), waiting


def _compared(before: LoadedProject | None, after: LoadedProject) -> Reloaded:
    had = {} if before is None else {element.name: element for element in before.elements}
    has = {element.name: element for element in after.elements}
    return Reloaded(
        revision=after.revision,
        added=len(has.keys() - had.keys()),
        changed=sum(has[name] != had[name] for name in has.keys() & had.keys()),
        removed=len(had.keys() - has.keys()),
    )
