"""Asks every followed repository for its refs when it is its turn and tells what moved.

Deliveries are hints, and most upstreams never send one: the sweep finds what they do not say.
It asks each repository once, however many elements follow it, and together with other projects
(`shared_looks`); it never fetches, and decides nothing about elements.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import structlog

from hookfetch.core.errors import HookfetchError
from hookfetch.core.events import UpstreamFact
from hookfetch.core.matching import Follower, Index
from hookfetch.core.observation import Observation, RefFact, RemoteRef, Standing, followed, news, observe
from hookfetch.core.repository import RepositoryId
from hookfetch.core.tracking import FollowRule, covering
from hookfetch.upstreams.schedule import next_turn, pause
from hookfetch.upstreams.shared_looks import Ask, SharedLooks

log = structlog.get_logger(__name__)

Accept = Callable[[Sequence[UpstreamFact]], Awaitable[None]]
_SourceKey = tuple[str, int, FollowRule]
T = TypeVar("T")


class KnownRefs(Protocol):
    """What each repository held when it was last asked, kept across restarts."""

    async def known_refs(self, repository: RepositoryId) -> Mapping[str, RemoteRef] | None:
        """Return the refs last remembered, or None when there are none yet."""

    async def standing(self, repository: RepositoryId) -> Standing | None:
        """Return what the past says about the repository, or None when it was never asked."""

    async def remember_refs(
        self, repository: RepositoryId, refs: Mapping[str, RemoteRef], news: Sequence[RefFact]
    ) -> None:
        """Return once `refs` are stored instead of those before; `news` are what changed since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryStatus:
    """How a repository answers. Times are in Unix seconds; `error` is the last look's, or None.
    `failures` counts looks in a row; one that failed on our side counts as the first."""

    repository: RepositoryId
    last_asked: float | None = None
    last_ok: float | None = None
    error: str | None = None
    failures: int = 0


@dataclass(slots=True)
class _Followed:
    """One repository's loop and what it knows: `sources` follow it since the last refresh,
    `settled` ones had their first look."""

    status: RepositoryStatus
    sources: frozenset[_SourceKey] = frozenset()
    settled: frozenset[_SourceKey] = frozenset()
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Sweep:
    """The sweep of one project: `refresh` after every load, `close` at the end.

    `accept` returns once facts are safe. Only then are the refs remembered: after a crash in
    between the facts come again, under other ids. `clock` returns Unix seconds. Turns of a repository are
    between `least` and `most` seconds apart.
    """

    def __init__(
        self,
        *,
        index: Callable[[], Index | None],
        known: KnownRefs,
        accept: Accept,
        looks: SharedLooks,
        ask: Ask,
        least: float,
        most: float,
        clock: Callable[[], float],
    ) -> None:
        self._index = index
        self._known = known
        self._accept = accept
        self._looks = looks
        self._ask = ask
        self._least = least
        self._most = most
        self._clock = clock
        self._followed: dict[RepositoryId, _Followed] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def refresh(self) -> None:
        """Take up the index as it is now.

        A repository never asked before is asked at once, and so is one with new followers; after
        a restart the others wait for their turn. What nobody follows is asked no more.
        """
        index = self._index() or Index.of(())
        for repository in self._followed.keys() - index.repositories().keys():
            self._forget(repository)
        for repository in index.repositories():
            sources = frozenset(map(_key, index.askers(repository)))
            entry = self._followed.get(repository)
            if entry is None:
                entry = _Followed(RepositoryStatus(repository=repository), sources)
                self._followed[repository] = entry
                entry.task = asyncio.create_task(self._follow(repository, entry), name=f"sweep {repository}")
            elif sources - entry.sources:
                entry.at_once.set()
            entry.sources = sources

    def ask_now(self, repository: RepositoryId) -> None:
        """Ask a followed repository as soon as there is a free slot; any other is ignored."""
        entry = self._followed.get(repository)
        if entry is not None:
            entry.at_once.set()

    def ask_all_now(self) -> None:
        """Ask each followed repository as soon as there is a free slot: turns went by unused."""
        for entry in self._followed.values():
            entry.at_once.set()

    def status(self) -> tuple[RepositoryStatus, ...]:
        """Return how each followed repository answers, by name."""
        return tuple(self._followed[name].status for name in sorted(self._followed))

    async def close(self) -> None:
        """Stop asking; looks under way are broken off, and what they saw is seen again later."""
        for repository in list(self._followed):
            self._forget(repository)
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def _forget(self, repository: RepositoryId) -> None:
        task = self._followed.pop(repository).task
        self._looks.forget(self, repository)
        assert task is not None
        task.cancel()
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _follow(self, repository: RepositoryId, entry: _Followed) -> None:
        standing = await self._attempt(entry, self._known.standing(repository))
        wait = 0.0 if standing is None else self._until_turn(repository, standing)
        while True:
            with contextlib.suppress(TimeoutError):  # nobody is in a hurry: it is the repository's turn
                async with asyncio.timeout(wait):
                    await entry.at_once.wait()
            anew = entry.at_once.is_set() or not wait
            entry.at_once.clear()
            await self._attempt(entry, self._look(repository, entry, anew=anew))
            standing = None
            if not entry.status.failures:
                standing = await self._attempt(entry, self._known.standing(repository))
            if standing is None:
                wait = pause(max(1, entry.status.failures), self._least)
            else:
                wait = self._until_turn(repository, standing)

    def _until_turn(self, repository: RepositoryId, standing: Standing) -> float:
        now = self._clock()
        return next_turn(repository, now, standing, least=self._least, most=self._most) - now

    async def _attempt(self, entry: _Followed, work: Awaitable[T]) -> T | None:
        """Await `work`; what goes wrong is noted, and does not end the repository's loop."""
        try:
            return await work
        except HookfetchError as error:
            reason = str(error)
        except Exception as error:  # a bug of ours: say so, go on
            log.exception("sweep_bug", repository=entry.status.repository)
            reason = f"a bug: {type(error).__name__}: {error}"
        failures = entry.status.failures + 1
        entry.status = replace(entry.status, error=reason, failures=failures)
        log.warning("sweep_failed", repository=entry.status.repository, error=reason, failures=failures)
        return None

    async def _look(self, repository: RepositoryId, entry: _Followed, *, anew: bool) -> None:
        index = self._index() or Index.of(())
        urls = index.repositories().get(repository, ())
        followers = index.askers(repository)
        if not urls:
            return  # the index moved on, and the next refresh ends this loop
        prefixes = _prefixes(followers)
        entry.status = replace(entry.status, last_asked=self._clock())
        refs = await self._looks.refs(self, repository, urls, prefixes, self._ask, anew=anew)
        entry.status = replace(entry.status, failures=0)
        look = Observation(
            id=uuid.uuid4().hex, repository=repository, urls=urls, refs=refs, seen_at=self._clock()
        )
        known = await self._known.known_refs(repository)
        settled = [follower for follower in followers if _key(follower) in entry.settled]
        newcomers = [follower for follower in followers if _key(follower) not in entry.settled]
        facts = observe(look, known, settled, newcomers)
        if facts:
            await self._accept(facts)
        seen = followed(refs, followers)
        if seen != known:
            await self._known.remember_refs(repository, seen, news(facts, known, settled))
        if known is None:
            log.info("first look", repository=repository, refs=len(seen))
        entry.settled = frozenset(map(_key, followers))
        entry.status = replace(entry.status, last_ok=look.seen_at, error=None, failures=0)


def _key(follower: Follower) -> _SourceKey:
    return follower.element, follower.source.index, follower.rule


def _prefixes(followers: Sequence[Follower]) -> tuple[str, ...]:
    rules = dict.fromkeys(follower.rule for follower in followers)
    return covering(prefix for rule in rules for prefix in rule.ref_prefixes())
