"""What the policy keeps from happening, whoever said so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from hookfetch.coordinator.answers import Answers
from hookfetch.core.codec import dump_event
from hookfetch.core.events import FetchRequested, TagPushed, TrackRequested
from hookfetch.core.jobs import Reply
from hookfetch.core.policy import Policy, PolicyKeys, PolicyRule, compiled
from hookfetch.core.ports import Message
from hookfetch.core.questions import ElementReport, WhyAsked
from hookfetch.core.repository import identify, routing_key
from tests.coordinator.service import NEW, OLD, FakeEngine, Service, element, until, until_rows, url

HOUR = 3600.0


async def track(service: Service, name: str) -> Reply:
    return await service.ask(TrackRequested(id=f"track {name}", element=name, reply_to=service.inbox.address))


async def fetch(service: Service, name: str) -> Reply:
    return await service.ask(FetchRequested(id=f"fetch {name}", element=name, reply_to=service.inbox.address))


def own(name: str, **keys: Any) -> Any:
    return replace(element(name), policy=PolicyKeys(**keys))


async def test_a_pinned_element_is_not_tracked_and_its_sources_are_still_fetched(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW, b=NEW)
    engine.elements = (own("a", pin=True), element("b"))
    async with Service(tmp_path, engine) as service:
        await service.push("a", "d1")
        await service.push("b", "d2")
        await until(lambda: [entry.element for entry in service.entries] == ["b.bst"])
        reply = await track(service, "a.bst")
        assert (reply.outcome, reply.reason) == ("failed", "a.bst is pinned by its own public data")
        reply = await fetch(service, "a.bst")
        assert (reply.outcome, [ref.ref for ref in reply.refs], reply.changes) == ("fetched", [OLD], ())
        assert [(job.element, job.track) for job in engine.ran] == [("b.bst", True), ("a.bst", False)]


async def test_an_ignored_element_is_known_and_left_alone(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    policy = Policy(configured=compiled([PolicyRule(elements=("a*",), keys=PolicyKeys(ignore=True))]))
    async with Service(tmp_path, engine, policy) as service:
        await service.push("a", "d1")
        for ask in (track, fetch):
            reply = await ask(service, "a.bst")
            assert (reply.outcome, reply.reason) == ("failed", "a.bst is ignored by the configuration")
        followed = identify(url("b"))
        assert followed is not None
        assert await service.rows("SELECT * FROM bindings") == [(routing_key(followed),)]
        assert (await service.rows("SELECT * FROM jobs"), engine.ran) == ([], [])


async def test_what_keeps_an_element_and_a_mistake_in_its_own_policy_are_told_with_it(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW, b=NEW)
    engine.elements = (
        own("a", pin=True),
        replace(element("b"), mistake="b.bst: public: hookfetch: pin: what?"),
    )
    async with Service(tmp_path, engine) as service:
        answers = Answers(
            project="p",
            database=service.database,
            bus=service.bus,
            loader=service.loader,
            epoch=lambda: 1,
            clock=lambda: 0.0,
        )

        async def why(name: str) -> str:
            asked = WhyAsked(id=name, reply_to=service.inbox.address, project="p", element=name)
            report = await service.database.run(lambda db: answers._answer(db, asked))  # noqa: SLF001 - as the bus does
            assert isinstance(report, ElementReport)
            return report.summary

        assert await why("a.bst") == "The policy keeps its refs: a.bst is pinned by its own public data."
        assert "not heeded: b.bst: public: hookfetch: pin: what?" in await why("b.bst")
        await service.push("b", "d1")  # it holds up nothing
        await until(lambda: [entry.element for entry in service.entries] == ["b.bst"])


async def test_a_pin_withdraws_what_is_proposed_and_it_comes_again_without_the_pin(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    engine.revision = "one"
    async with Service(tmp_path, engine) as service:
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        engine.elements, engine.revision = (own("a", pin=True), element("b")), "two"
        service.loader.reload("pinned")
        await until_rows(lambda: service.rows("SELECT * FROM proposed"), [])
        engine.elements, engine.revision = (element("a"), element("b")), "three"
        service.loader.reload("loose")
        await until(lambda: service.loader.revision == "three")
        await service.push("a", "d2")
        await until(lambda: len(service.entries) == 2)
        assert service.entries[1].changes[0].ref == NEW


async def test_work_from_before_a_pin_tracks_nothing(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    engine.revision = "one"
    policy = Policy(configured=compiled([PolicyRule(elements=("a.bst",), keys=PolicyKeys(debounce=0.3))]))
    async with Service(tmp_path, engine, policy) as service:
        await service.push("a", "d1")
        await until_rows(lambda: service.rows("SELECT state FROM jobs"), [("waiting",)])
        engine.elements, engine.revision = (own("a", pin=True),), "two"
        service.loader.reload("pinned")
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        assert ([job.track for job in engine.ran], service.entries) == ([False], [])


async def test_a_job_that_runs_when_its_element_is_pinned_announces_nothing(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    engine.revision = "one"
    async with Service(tmp_path, engine) as service:
        engine.gate.clear()
        await service.push("a", "d1")
        await until(lambda: len(engine.ran) == 1)
        engine.elements, engine.revision = (own("a", pin=True),), "two"
        service.loader.reload("pinned")
        await until(lambda: service.loader.revision == "two")
        engine.gate.set()
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        assert service.entries == []


def tagged(number: int) -> TagPushed:
    repository = identify(url("a"))
    assert repository is not None
    return TagPushed(
        id=f"d{number}#0",
        delivery_id=f"d{number}",
        observed_at=0.0,
        repositories=(repository,),
        ref=f"refs/tags/v{number}",
        target=f"{number}" * 40,
    )


async def test_a_release_is_let_in_when_the_newest_has_the_age_or_when_a_person_asks(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    source = replace(element("a").sources[0], track={"track": "v*"})
    engine.elements = (replace(element("a"), sources=(source,), policy=PolicyKeys(minimum_age=HOUR)),)

    async def push(service: Service, event: TagPushed) -> None:
        message = Message(id=event.id, body=dump_event(event))
        await service.bus.publish_fact(list(map(routing_key, event.repositories)), message)

    async def due(service: Service) -> float:
        [(due_at,)] = await service.rows("SELECT due_at FROM jobs WHERE state = 'waiting'")
        return float(due_at)

    async with Service(tmp_path, engine) as service:
        await push(service, tagged(3))
        first = await due(service)
        await push(service, tagged(4))
        second = await due(service)
        assert second > first
    async with Service(tmp_path, engine) as service:  # it waits as long as it was to, over a restart
        again = replace(tagged(4), id="again#0", delivery_id="again")  # as the sweep's first look tells it
        await push(service, again)
        assert await due(service) == second
        assert second - service.coordinator._clock() > HOUR - 60  # noqa: SLF001 - the clock that it goes by
        assert engine.ran == []
        assert (await track(service, "a.bst")).outcome == "tracked"
        await until(lambda: len(service.entries) == 1)
