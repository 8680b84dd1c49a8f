"""A source cache that is down holds what is for it, and nothing else."""

from pathlib import Path

from hookfetch.core.errors import CacheAway
from hookfetch.core.events import FetchRequested, TrackRequested
from hookfetch.core.jobs import Job
from hookfetch.core.ports import Finished, MayBegin, OnTracked, at_once
from tests.coordinator.service import NEW, FakeEngine, Service, element, until, until_rows

NAMES = [f"e{number:02}" for number in range(20)]


class WithCache(FakeEngine):
    """An engine whose cache is there or not, and that counts how often it was asked for."""

    def __init__(self, *names: str) -> None:
        super().__init__(**dict.fromkeys(names, NEW))
        self.elements = tuple(map(element, names))
        self.there = False
        self.asked = 0

    async def probe(self, project: str) -> None:
        self.asked += 1
        if not self.there:
            raise CacheAway("source cache http://there: UNAVAILABLE: refused")

    async def run(self, job: Job, on_tracked: OnTracked, may_begin: MayBegin = at_once) -> Finished:
        finished = await super().run(job, on_tracked, may_begin)
        if job.cache == "away":
            raise CacheAway("left alone")
        await self.probe(job.project)
        return finished


async def held(service: Service) -> list[tuple[object, ...]]:
    return await service.rows(
        "SELECT count(*), max(failures) FROM jobs WHERE awaits_cache AND state = 'waiting'"
    )


async def test_twenty_updates_are_held_and_go_out_in_order_when_the_cache_answers(tmp_path: Path) -> None:
    engine = WithCache(*NAMES)
    async with Service(tmp_path, engine, slots=1) as service:
        for name in NAMES:
            await service.push(name, f"d-{name}")
        await until_rows(lambda: held(service), [(20, 0)])
        assert engine.asked <= 2  # by the first job, and perhaps one probe
        await service.push(NAMES[3], "once-more")
        await until(lambda: engine.asked >= 2)
        assert [entry.element for entry in service.entries] == []
        engine.there = True
        await until(lambda: len(service.entries) == 20)
        assert [entry.element for entry in service.entries] == [f"{name}.bst" for name in NAMES]
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        assert await service.rows("SELECT * FROM cache_outage") == []
        assert engine.asked <= 6 + 20


async def test_a_held_element_says_why_and_since_when(tmp_path: Path) -> None:
    async with Service(tmp_path, WithCache("a")) as service:
        await service.push("a", "d")
        await until_rows(lambda: held(service), [(1, 0)])
        ((reason,),) = await service.rows("SELECT reason FROM jobs")
        assert str(reason).startswith("not there since ")
        assert "source cache http://there: UNAVAILABLE" in str(reason)


async def test_a_client_who_tracks_is_answered_while_the_cache_is_away_and_one_who_fetches_is_told(
    tmp_path: Path,
) -> None:
    async with Service(tmp_path, WithCache("a", "b")) as service:
        await service.push("a", "d")
        await until_rows(lambda: held(service), [(1, 0)])
        tracked = await service.ask(TrackRequested(id="t", element="a.bst", reply_to=service.inbox.address))
        assert (tracked.outcome, tracked.changes[0].ref) == ("tracked", NEW)
        fetched = await service.ask(FetchRequested(id="f", element="b.bst", reply_to=service.inbox.address))
        assert fetched.outcome == "unavailable"
        assert "http://there" in str(fetched.reason)
        assert fetched.retry_after
        await until_rows(lambda: held(service), [(2, 0)])


async def test_who_fetches_as_the_first_to_find_the_cache_away_is_told(tmp_path: Path) -> None:
    async with Service(tmp_path, WithCache("a")) as service:
        fetched = await service.ask(FetchRequested(id="f", element="a.bst", reply_to=service.inbox.address))
        assert (fetched.outcome, fetched.retry_after) == ("unavailable", 1.0)


async def test_an_outage_outlives_the_coordinator(tmp_path: Path) -> None:
    async with Service(tmp_path, WithCache("a")) as service:
        await service.push("a", "d")
        await until_rows(lambda: held(service), [(1, 0)])
    engine = WithCache("a")
    engine.there = True
    async with Service(tmp_path, engine) as service:
        await until(lambda: len(service.entries) == 1)
        assert [job.cache for job in engine.ran] == ["use"]
