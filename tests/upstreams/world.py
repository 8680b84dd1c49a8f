"""A sweep over local servers: an index that changes, what is known, and what was accepted."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp

from hookfetch.core.errors import Temporary
from hookfetch.core.events import UpstreamFact
from hookfetch.core.matching import Index
from hookfetch.core.observation import RefFact, RemoteRef, Standing
from hookfetch.core.repository import RepositoryId, identify
from hookfetch.core.sources import Element, Ref, Source
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.asking import Asking
from hookfetch.upstreams.hosts import Hosts
from hookfetch.upstreams.shared_looks import SharedLooks
from hookfetch.upstreams.sweep import Sweep

INTERVAL = 0.3
NEVER = 3600.0


def follows(name: str, url: str, track: str, ref: Ref = None) -> Element:
    source = Source(index=0, kind="git_repo", urls=(url,), track={"track": track}, ref=ref)
    return Element(name=name, kind="import", sources=(source,))


def identity(url: str) -> RepositoryId:
    found = identify(url)
    assert found is not None
    return found


class Memory:
    """Known refs, kept in this process only."""

    def __init__(self) -> None:
        self.refs: dict[RepositoryId, Mapping[str, RemoteRef]] = {}
        self.looks = 0
        self.news: list[RefFact] = []

    async def known_refs(self, repository: RepositoryId) -> Mapping[str, RemoteRef] | None:
        return self.refs.get(repository)

    async def standing(self, repository: RepositoryId) -> Standing | None:
        if repository not in self.refs:
            return None
        self.looks += 1  # it is asked for after each look
        return Standing(seen_at=0.0)

    async def remember_refs(
        self, repository: RepositoryId, refs: Mapping[str, RemoteRef], news: Sequence[RefFact]
    ) -> None:
        self.refs[repository] = dict(refs)
        self.news += news


class World:
    """An index that changes, what is known, and the facts that were accepted; `broken` refuses them."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.known = Memory()
        self.facts: list[UpstreamFact] = []
        self.broken = False
        self.bug = False

    def index(self) -> Index:
        return Index.of(self.elements)

    async def accept(self, facts: Sequence[UpstreamFact]) -> None:
        if self.bug:
            raise KeyError("a bug")
        if self.broken:
            raise Temporary("the bus is down")
        self.facts += facts

    @asynccontextmanager
    async def sweeping(
        self,
        interval: float = INTERVAL,
        *,
        at_once: int = 8,
        per_host: int = 4,
        rate: float = 1000.0,
        timeout: float = 10.0,
        shared: SharedLooks | None = None,
    ) -> AsyncIterator[Sweep]:
        looks = SharedLooks(Hosts(at_once=at_once, per_host=per_host, rate=rate, clock=time.monotonic))
        async with aiohttp.ClientSession() as session:
            sweep = Sweep(
                index=self.index,
                known=self.known,
                accept=self.accept,
                looks=shared or looks,
                ask=Asking(session, Accounts(()), timeout).refs,
                least=interval,
                most=interval,
                clock=time.time,
            )
            sweep.refresh()
            try:
                yield sweep
            finally:
                await sweep.close()
