"""What clients bring, with a real store, bus and worker: one job for all who want the same, nothing left."""

import asyncio
from dataclasses import replace
from pathlib import Path

from hookfetch.config.supplied import SuppliedConfig
from hookfetch.core.codec import dump_event
from hookfetch.core.errors import ElementError
from hookfetch.core.events import RequestWithdrawn
from hookfetch.core.ports import Message
from hookfetch.core.sources import Alias, Aliases, LoadedProject
from hookfetch.core.supplied import SuppliedSource, Wants, job_name
from hookfetch.core.supplied_requests import SuppliedRequested
from tests.coordinator.service import OLD, FakeEngine, Service, until, until_rows

SOURCE = SuppliedSource(kind="git", config={"url": "up:x.git", "track": "main"}, ref=OLD)
TABLES = ("jobs", "job_causes", "job_clients", "supplied", "proposed", "log", "recipes")


class Engine(FakeEngine):
    """An engine whose project has an alias."""

    async def load(self, project: str, revision: str | None = None) -> LoadedProject:
        alias = Alias(name="up", address="https://example.org/")
        aliases = (Aliases(project=project, aliases=(alias,)),)
        return replace(await super().load(project, revision), aliases=aliases)


def service_of(root: Path, engine: Engine) -> Service:
    service = Service(root, engine)
    service.loader.supplied_rules = SuppliedConfig().rules()
    return service


def asking(service: Service, request: str, wants: Wants = "fetch") -> SuppliedRequested:
    return SuppliedRequested(id=request, sources=(SOURCE,), wants=wants, reply_to=service.inbox.address)


async def left(service: Service) -> list[int]:
    return [(await service.rows(f"SELECT count(*) FROM {table}"))[0][0] for table in TABLES]  # noqa: S608


async def test_those_who_bring_the_same_get_one_job_and_nothing_is_left(tmp_path: Path) -> None:
    engine = Engine()
    engine.gate.clear()
    async with service_of(tmp_path, engine) as service:
        before = await left(service)
        asked = [asyncio.create_task(service.ask(asking(service, f"r{number}"))) for number in range(5)]
        await until_rows(lambda: service.rows("SELECT count(*) FROM job_clients"), [(5,)])
        engine.gate.set()
        replies = await asyncio.gather(*asked)
        assert {(each.outcome, each.element_key) for each in replies} == {("fetched", "key")}
        (job,) = engine.ran
        assert (job.supplied, job.track, job.priority) == ((SOURCE,), False, "interactive")
        await until_rows(lambda: left(service), before)
        assert service.entries == []


async def test_who_tracks_is_answered_with_what_was_found_and_nothing_is_announced(tmp_path: Path) -> None:
    name = job_name((SOURCE,), "track")
    engine = Engine()
    engine.upstream[name] = "new"
    async with service_of(tmp_path, engine) as service:
        reply = await service.ask(asking(service, "r", "track"))
        assert (reply.outcome, [each.ref for each in reply.refs], reply.changes) == ("tracked", ["new"], ())
        await until_rows(lambda: service.rows("SELECT count(*) FROM jobs"), [(0,)])
        assert service.entries == []


async def test_what_fails_is_told_and_not_tried_again(tmp_path: Path) -> None:
    name = job_name((SOURCE,), "fetch")
    engine = Engine()
    engine.upstream[name] = ElementError("refused")
    async with service_of(tmp_path, engine) as service:
        reply = await service.ask(asking(service, "r"))
        assert (reply.outcome, reply.reason) == ("failed", "refused")
        await until_rows(lambda: service.rows("SELECT count(*) FROM jobs"), [(0,)])
        assert await service.rows("SELECT count(*) FROM supplied") == [(0,)]
        assert len(engine.ran) == 1


async def test_a_repeated_request_changes_nothing(tmp_path: Path) -> None:
    engine = Engine()
    async with service_of(tmp_path, engine) as service:
        event = asking(service, "r")
        await service.ask(event)
        await service.bus.publish_event(service.project, Message(id=event.id, body=dump_event(event)))
        await service.ask(asking(service, "later"))
        assert len(engine.ran) == 2


async def test_it_is_dropped_when_its_clients_have_left_before_it_began(tmp_path: Path) -> None:
    engine = Engine()
    engine.free.clear()
    async with service_of(tmp_path, engine) as service:
        event = asking(service, "r")
        await service.bus.publish_event(service.project, Message(id=event.id, body=dump_event(event)))
        await until_rows(lambda: service.rows("SELECT count(*) FROM supplied"), [(1,)])
        gone = RequestWithdrawn(id="r/withdrawn", request_id="r")
        await service.bus.publish_event(service.project, Message(id=gone.id, body=dump_event(gone)))
        await until_rows(lambda: service.rows("SELECT count(*) FROM jobs"), [(0,)])
        assert await service.rows("SELECT count(*) FROM supplied") == [(0,)]
        engine.free.set()
    assert engine.ran == []


async def test_what_the_projects_aliases_do_not_have_gets_no_job(tmp_path: Path) -> None:
    engine = Engine()
    async with service_of(tmp_path, engine) as service:
        strange = replace(SOURCE, config={"url": "nobody:x.git"})
        event = replace(asking(service, "r"), sources=(strange,))
        reply = await service.ask(event)
        assert (reply.outcome, reply.field) == ("not_allowed", "sources[0].url")
        await until(lambda: "r" in service.replies)
        assert await service.rows("SELECT count(*) FROM jobs") == [(0,)]


async def test_it_is_called_off_when_its_clients_have_left_and_another_s_is_not(tmp_path: Path) -> None:
    engine = Engine()
    engine.gate.clear()
    async with service_of(tmp_path, engine) as service:
        events = [asking(service, "r"), asking(service, "s")]
        for event in events:
            await service.bus.publish_event(service.project, Message(id=event.id, body=dump_event(event)))
        await until(lambda: len(engine.ran) == 1)
        for request, cut_off in (("r", 0), ("s", 1)):
            gone = RequestWithdrawn(id=f"{request}/withdrawn", request_id=request)
            await service.bus.publish_event(service.project, Message(id=gone.id, body=dump_event(gone)))
            query = f"SELECT count(*) FROM job_clients WHERE request_id = '{request}'"  # noqa: S608
            await until_rows(lambda query=query: service.rows(query), [(0,)])
            await until(lambda cut_off=cut_off: engine.cut_off >= cut_off)
            assert engine.cut_off == cut_off
        assert await service.rows("SELECT count(*) FROM jobs") == [(0,)]
