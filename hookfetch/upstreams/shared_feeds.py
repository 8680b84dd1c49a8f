"""One question to a feed for all projects that have the same one at the same time, at its host's pace."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from hookfetch.core.errors import HookfetchError
from hookfetch.core.feeds import FeedKey
from hookfetch.core.files import Validators
from hookfetch.core.releases import Reading
from hookfetch.upstreams.feed_get import Answer
from hookfetch.upstreams.feed_reading import Readers
from hookfetch.upstreams.hosts import Hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look found: `reading` is None where nothing changed since the look of the validators that were
    shown. `moved_to` is as in `Answer`."""

    reading: Reading | None
    validators: Validators
    moved_to: str | None = None


class Asks(Protocol):
    """Who asks a server; closed at the end."""

    async def get(self, url: str, validators: Validators | None) -> Answer:
        """Return what the server says; a HookfetchError where it does not."""

    async def close(self) -> None:
        """Ask no more."""


@dataclass(slots=True, eq=False)
class _Question:
    shown: Validators | None
    answer: asyncio.Future[Look]


class SharedFeeds:
    """The looks of a process, paced by `hosts`. `connect` is called in the event loop, with what tells of a
    host whether a project names it, and what it returns is closed when the last project has left."""

    def __init__(self, hosts: Hosts, connect: Callable[[Callable[[str], bool]], Asks]) -> None:
        self._hosts = hosts
        self._connect = connect
        self._asks: Asks | None = None
        self._readers: Readers | None = None
        self._users = 0
        self._named: dict[object, Collection[str]] = {}
        self._open: dict[FeedKey, _Question] = {}

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Be one of those who ask, for a `with` block."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                await self._leave()

    async def _leave(self) -> None:
        asks, readers = self._asks, self._readers
        self._asks = self._readers = None
        if readers is not None:
            readers.close()
        if asks is not None:
            await asks.close()

    def name(self, asker: object, hosts: Collection[str]) -> None:
        """Have `asker` name these hosts, and none that it named before."""
        if hosts:
            self._named[asker] = hosts
        else:
            self._named.pop(asker, None)

    async def look(self, kind: str, url: str, shown: Validators | None) -> Look:
        """Return what the feed at `url` says; it is asked only if nobody else is asking it already. Raises as
        `Asks.get` and `Readers.read` do."""
        while (question := self._open.get((kind, url))) is not None:
            await asyncio.wait({question.answer})
            if question.answer.cancelled():
                continue  # its asker has left: somebody else asks
            look = question.answer.result()
            if look.reading is not None or question.shown == shown:
                return look
        return await self._ask(kind, url, shown)

    async def _ask(self, kind: str, url: str, shown: Validators | None) -> Look:
        question = _Question(shown, asyncio.get_running_loop().create_future())
        self._open[kind, url] = question
        try:
            look = await self._answer(kind, url, shown)
        except HookfetchError as error:
            question.answer.set_exception(error)
            question.answer.exception()  # it may be that nobody has joined
            raise
        except BaseException:
            question.answer.cancel()
            raise
        finally:
            del self._open[kind, url]
        question.answer.set_result(look)
        return look

    async def _answer(self, kind: str, url: str, shown: Validators | None) -> Look:
        host = urlsplit(url).netloc.rpartition("@")[2].lower()
        asks, readers = self._running()
        async with self._hosts.turn(host):
            answer = await asks.get(url, shown)
        if answer.rest:
            self._hosts.rest(host, answer.rest, "nothing is left of its rate limit")
        reading = None if answer.document is None else await readers.read(kind, answer.document)
        return Look(reading=reading, validators=answer.validators, moved_to=answer.moved_to)

    def _running(self) -> tuple[Asks, Readers]:
        if self._asks is None or self._readers is None:
            self._asks, self._readers = self._connect(self._is_named), Readers()
        return self._asks, self._readers

    def _is_named(self, host: str) -> bool:
        return any(host in hosts for hosts in self._named.values())
