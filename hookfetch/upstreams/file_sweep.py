"""Asks for every file at a fixed address (tar, zip, remote) whether it is another one, when it is its turn.

Most never change, since a release has an address of its own, so they are asked seldom, and those whose
server says nothing that would show it are asked least. Nothing is downloaded to find out.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

import structlog
from yarl import URL

from hookfetch.core.errors import HookfetchError
from hookfetch.core.events import FileChanged
from hookfetch.core.files import KnownFile, Validators, is_another
from hookfetch.core.matching import Index
from hookfetch.core.observation import Standing, look_id
from hookfetch.core.repository import RepositoryId, identify
from hookfetch.upstreams.hosts import Hosts
from hookfetch.upstreams.schedule import next_turn, pause

LEAST = 32  # times a repository's least interval is a file's
MOST = 86400.0  # seconds; the longest interval is the least one, doubled while it stays below this

log = structlog.get_logger(__name__)

AskFile = Callable[[str], Awaitable[Validators]]  # a file's URL in


class KnownFiles(Protocol):
    """What servers said of each file, kept across restarts."""

    async def known_file(self, url: str) -> KnownFile | None:
        """Return what is known of the file, or None before the first look."""

    async def remember_file(self, url: str, validators: Validators, *, changed: bool) -> None:
        """Return once it is stored; `changed` since the look before."""

    async def forget_files_but(self, urls: Collection[str]) -> None:
        """Forget those that nobody follows any more."""


class FileSweep:
    """The files of one project: `refresh` after every load, `close` at the end.

    `accept` returns once the fact is safe. Only then is what was seen remembered: after a crash in between
    the fact comes again. `clock` returns Unix seconds. Turns of a file are between `least` and `most` seconds
    apart.
    """

    def __init__(
        self,
        *,
        index: Callable[[], Index | None],
        known: KnownFiles,
        accept: Callable[[Sequence[FileChanged]], Awaitable[None]],
        hosts: Hosts,
        ask: AskFile,
        least: float,
        most: float,
        clock: Callable[[], float],
    ) -> None:
        self._index = index
        self._known = known
        self._accept = accept
        self._hosts = hosts
        self._ask = ask
        self._least = least
        self._most = most
        self._clock = clock
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def refresh(self) -> None:
        """Take up the index as it is now: a file never asked for before is asked for at once, the others wait
        for their turn, and what nobody follows is asked no more."""
        index = self._index()
        urls = frozenset(() if index is None else index.files())
        for url in self._loops.keys() - urls:
            self._end(self._loops.pop(url))
        for url in urls - self._loops.keys():
            self._loops[url] = asyncio.create_task(self._follow(url))
        if index is not None:
            tidying = asyncio.create_task(self._forget_but(urls))
            self._leaving.add(tidying)
            tidying.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Stop asking; what a look under way saw is seen again later."""
        for task in (*self._loops.values(), *self._leaving):
            self._end(task)
        self._loops.clear()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def _end(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _forget_but(self, urls: Collection[str]) -> None:
        try:
            await self._known.forget_files_but(urls)
        except HookfetchError as error:  # the next load does it
            log.warning("files not forgotten", reason=str(error))

    async def _follow(self, url: str) -> None:
        failures = 0
        while True:  # until this task is cancelled
            try:
                known = await self._known.known_file(url)
                if not failures:
                    await asyncio.sleep(self._until_turn(url, known))
                await self._look(url, known)
                failures = 0
            except HookfetchError as error:
                failures += 1
                log.warning("sweep_failed", file=_without_account(url), error=str(error), failures=failures)
            except Exception:  # a bug of ours: say so, go on
                failures += 1
                log.exception("sweep_bug", file=_without_account(url), failures=failures)
            if failures:
                await asyncio.sleep(pause(failures, self._least))

    def _until_turn(self, url: str, known: KnownFile | None) -> float:
        if known is None:
            return 0.0
        now = self._clock()
        # Where a change would not show it is as if it had never changed.
        seen_at = known.seen_at if known.validators.tell else 0.0
        standing = Standing(seen_at=seen_at, changed_at=known.changed_at)
        return next_turn(RepositoryId(url), now, standing, least=self._least, most=self._most) - now

    async def _look(self, url: str, known: KnownFile | None) -> None:
        host = (identify(url) or "").partition("/")[0]
        async with self._hosts.turn(host):
            seen = await self._ask(url)
        changed = known is not None and is_another(known.validators, seen)
        if changed:
            look = look_id(_without_account(url)[:200], uuid.uuid4().hex)
            fact = FileChanged(id=f"{look}#0", delivery_id=look, observed_at=self._clock(), urls=(url,))
            await self._accept([fact])
        if known is None or known.validators != seen:
            await self._known.remember_file(url, seen, changed=changed)


def _without_account(url: str) -> str:
    try:
        return str(URL(url).with_user(None).with_query(None))
    except ValueError:
        return "an address that cannot be parsed"
