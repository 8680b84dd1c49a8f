"""Asks every feed of a project when it is its turn, and tells of the release that an element is to be
updated to. A feed is one question, however many elements watch it.

What a feed tells of no more was released all the same: nothing is concluded from what is missing.
"""

import asyncio
import contextlib
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import structlog

from hookfetch.core.egress import canonical
from hookfetch.core.errors import HookfetchError, Permanent
from hookfetch.core.events import ReleaseFound
from hookfetch.core.feeds import FeedKey, KnownFeed
from hookfetch.core.observation import Standing
from hookfetch.core.releases import Reading
from hookfetch.core.repository import RepositoryId
from hookfetch.core.watching import Watch, by_feed, judged, last_published
from hookfetch.upstreams.feed_status import FeedStatus
from hookfetch.upstreams.known_feeds import KnownFeeds
from hookfetch.upstreams.schedule import next_turn, pause
from hookfetch.upstreams.shared_feeds import Look, SharedFeeds

MOST_PAUSE = 86400.0  # seconds; a feed that keeps failing is asked at least this often
_AGAIN = 60.0  # seconds until a store that was not there is asked again
_JUDGED_AT_ONCE = 2
_TOLD_MOST = 1000  # facts of a feed; one that is told again changes nothing
_MANY = 200  # releases; to choose among more is done beside the event loop

log = structlog.get_logger(__name__)

Watches = Callable[[], Sequence[Watch]]


@dataclass(slots=True)
class _Followed:
    """One feed's loop and what it knows. `at_once`: its watches are others, or with `ask` it is to be asked.
    `of_age` is when a release that is too young now no longer is, in Unix seconds."""

    known: KnownFeed
    watches: tuple[Watch, ...]
    failures: int = 0
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    ask: bool = False
    of_age: float | None = None
    last_asked: float | None = None
    next_at: float | None = None
    found: dict[tuple[str, str | None], str] = field(default_factory=dict)
    told: frozenset[str] = frozenset()
    task: asyncio.Task[None] | None = None


class FeedSweep:
    """The feeds of one project: `refresh` after every load, `close` at the end.

    `accept` returns once a fact is safe; one that was told before is told again after a restart, under
    another id: who took the first may have known no project yet. `watches` is called beside the event
    loop. `clock` returns Unix seconds. Turns of a feed are between `least` and `most` seconds apart.
    """

    def __init__(
        self,
        *,
        watches: Watches,
        known: KnownFeeds,
        accept: Callable[[Sequence[ReleaseFound]], Awaitable[None]],
        shared: SharedFeeds,
        least: float,
        most: float,
        clock: Callable[[], float],
    ) -> None:
        self._watches = watches
        self._known = known
        self._accept = accept
        self._shared = shared
        self._least = least
        self._most = most
        self._clock = clock
        self._teller = secrets.token_hex(8)
        self._followed: dict[FeedKey, _Followed] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._loaded = asyncio.Event()
        # The store has more to do than to tell ten thousand feeds at once what they said last.
        self._judging = asyncio.Semaphore(_JUDGED_AT_ONCE)
        self._keeper: asyncio.Task[None] | None = None

    def refresh(self) -> None:
        """Take up what is watched as it is now: a feed never asked before is asked at once, one with other
        watches is judged at once by what it said last, and what nobody watches is asked no more."""
        self._loaded.set()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="feeds")

    def ask_now(self, elements: Callable[[str], bool]) -> int:
        """Ask the feeds of these elements as soon as there is a free slot; return how many they are."""
        asked = 0
        for entry in self._followed.values():
            if any(elements(watch.element) for watch in entry.watches):
                entry.ask = True
                entry.at_once.set()
                asked += 1
        return asked

    def status(self) -> Mapping[FeedKey, FeedStatus]:
        """Return how it goes with each feed."""
        return {
            key: FeedStatus(
                known=entry.known, last_asked=entry.last_asked, next_at=entry.next_at, found=entry.found
            )
            for key, entry in self._followed.items()
        }

    async def close(self) -> None:
        """Stop asking; what a look under way saw is seen again later."""
        for task in (self._keeper, *(entry.task for entry in self._followed.values())):
            if task is not None:
                self._end(task)
        self._followed.clear()
        self._keeper = None
        self._shared.name(self, ())
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def _end(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _keep(self) -> None:
        known: Mapping[FeedKey, KnownFeed] | None = None
        while True:  # until this task is cancelled
            await self._loaded.wait()
            self._loaded.clear()
            try:
                watched = await asyncio.to_thread(lambda: by_feed(self._watches()))
                if known is None:
                    known = await self._known.known_feeds()
                self._take_up(watched, known)
                known = {}  # what is followed from now on knows its own
                await self._known.forget_feeds_but(watched.keys())
            except HookfetchError as error:
                log.warning("feeds not taken up", reason=str(error))
                await asyncio.sleep(min(self._least, _AGAIN))
                self._loaded.set()
            except Exception:  # a bug of ours: say so; the next load tries again
                log.exception("feeds not taken up")

    def _take_up(
        self, watched: Mapping[FeedKey, tuple[Watch, ...]], known: Mapping[FeedKey, KnownFeed]
    ) -> None:
        for key in self._followed.keys() - watched.keys():
            task = self._followed.pop(key).task
            if task is not None:
                self._end(task)
        self._shared.name(self, frozenset(canonical(urlsplit(url).hostname or "") for _, url in watched))
        for key, watches in watched.items():
            entry = self._followed.get(key)
            if entry is None:
                entry = _Followed(known.get(key, KnownFeed()), watches)
                entry.failures = self._failures_of(entry.known)
                # What it said last may have been news that a crash kept from being told.
                if entry.known.validators is not None:
                    entry.at_once.set()
                self._followed[key] = entry
                entry.task = asyncio.create_task(self._follow(key, entry))
            elif entry.watches != watches:
                entry.watches = watches
                entry.at_once.set()

    def _failures_of(self, known: KnownFeed) -> int:
        """Return about how many looks have failed in a row: a restart is no reason to ask anew."""
        if known.failing_since is None:
            return 0
        failing = max(0.0, self._clock() - known.failing_since)
        return 1 + int(math.log2(1.0 + failing / self._least))

    async def _follow(self, key: FeedKey, entry: _Followed) -> None:
        while True:  # until this task is cancelled
            wait = self._wait(key, entry)
            entry.next_at = self._clock() + wait
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await entry.at_once.wait()
            # With other watches alone, what it said last is enough to judge by.
            judge = entry.at_once.is_set() and not entry.ask and entry.known.validators is not None
            entry.at_once.clear()
            entry.ask = False
            try:
                await (self._judge_kept(key, entry) if judge else self._look(key, entry))
            except Exception:  # a bug of ours: say so, go on
                entry.failures += 1
                log.exception("feed_bug", feed=key[1], failures=entry.failures)

    def _wait(self, key: FeedKey, entry: _Followed) -> float:
        if entry.failures:
            return pause(entry.failures, self._least, MOST_PAUSE)
        known, now = entry.known, self._clock()
        if known.validators is None:
            return 0.0
        standing = Standing(seen_at=known.seen_at, changed_at=known.changed_at)
        turn = next_turn(RepositoryId(key[1]), now, standing, least=self._least, most=self._most)
        return max(0.0, (turn if entry.of_age is None else min(turn, entry.of_age)) - now)

    async def _look(self, key: FeedKey, entry: _Followed) -> None:
        kind, url = key
        begun = self._clock()
        try:
            look = await self._shared.look(kind, entry.known.moved_to or url, entry.known.validators)
            await self._take(key, entry, look)
        except HookfetchError as error:
            await self._failed(key, entry, error)
        entry.last_asked = begun  # told once it has answered

    async def _take(self, key: FeedKey, entry: _Followed, look: Look) -> None:
        known, now = entry.known, self._clock()
        if look.reading is None and known.validators is None:
            raise Permanent("the server says that nothing changed, and was never asked before")
        fresh = replace(
            known,
            validators=look.validators,
            moved_to=look.moved_to or known.moved_to,
            failing_since=None,
            error=None,
        )
        if fresh.moved_to != known.moved_to:
            log.warning("feed_moved", feed=key[1], to=fresh.moved_to)
        if look.reading is not None:
            entry.known = await self._remember(key, fresh, look.reading, now)
        elif fresh != known:
            await self._known.note_feed(key, fresh)
            entry.known = fresh
        entry.failures = 0
        if look.reading is not None or (entry.of_age is not None and entry.of_age <= now):
            await self._judge_kept(key, entry)

    async def _remember(self, key: FeedKey, known: KnownFeed, reading: Reading, now: float) -> KnownFeed:
        first = not known.seen_at
        if first:
            known = replace(known, seen_at=now, changed_at=last_published(reading.releases, now))
        known = replace(known, releases=len(reading.releases))
        is_new = await self._known.remember_feed(key, known, reading.releases, now)
        if first or not is_new:
            return known
        known = replace(known, changed_at=now)
        await self._known.note_feed(key, known)
        return known

    async def _failed(self, key: FeedKey, entry: _Followed, error: HookfetchError) -> None:
        entry.failures += 1
        known = entry.known
        log.warning("feed_failed", feed=key[1], error=str(error), failures=entry.failures)
        entry.known = replace(
            known,
            failing_since=known.failing_since or self._clock(),
            error=str(error),
            # Twice may be no accident: it is looked for again where it was first.
            moved_to=None if entry.failures > 1 else known.moved_to,
        )
        if entry.known == known:
            return
        try:
            await self._known.note_feed(key, entry.known)
        except HookfetchError as unwritten:
            log.warning("feed not noted", feed=key[1], reason=str(unwritten))

    async def _judge_kept(self, key: FeedKey, entry: _Followed) -> None:
        """Tell each element that is behind what the feed said last."""
        async with self._judging:
            releases, first_seen = await self._known.kept(key)
        now = self._clock()
        if len(releases) > _MANY:
            judging = asyncio.to_thread(judged, entry.watches, releases, first_seen, now, self._teller)
            facts, of_age = await judging
        else:
            facts, of_age = judged(entry.watches, releases, first_seen, now, self._teller)
        entry.of_age = of_age
        entry.found = {(fact.element, fact.current): fact.version for fact in facts}
        news_alone = [fact for fact in facts if fact.id not in entry.told]
        for fact in news_alone:
            log.info("release_found", element=fact.element, current=fact.current, version=fact.version)
        if news_alone:
            await self._accept(news_alone)
        # What comes back to a list that it was missing from is no news.
        before = entry.told if len(entry.told) < _TOLD_MOST else frozenset()
        entry.told = before | {fact.id for fact in facts}
