"""Who waits for a job, or watches it, is told how it stands whenever that changes, and no job is the more
wanted for being watched."""

import asyncio
import uuid
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.core.codec import dump_event, load_reply
from hookfetch.core.errors import CacheAway, ElementError, Permanent
from hookfetch.core.events import FetchRequested, RequestWithdrawn, TrackRequested
from hookfetch.core.job_requests import ReloadRequested, WatchRequested
from hookfetch.core.jobs import JobState, Progress, Reloaded, Reply
from hookfetch.core.operator_requests import CancelRequested
from hookfetch.core.policy import Policy, PolicyKeys
from hookfetch.core.ports import Message
from hookfetch.store import jobs
from tests.coordinator.service import NEW, FakeEngine, Service, element, until, until_rows

QUICK = 20.0


class Inbox:
    """One client's inbox: what it was told of each request, in order."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.told: list[Progress | Reply] = []
        self.address = ""

    async def open(self) -> "Inbox":
        self.address = (await self.service.bus.inbox(self._take)).address
        return self

    async def _take(self, message: Message) -> None:
        self.told.append(load_reply(message.body))

    async def send(self, event: WatchRequested | FetchRequested | TrackRequested | ReloadRequested) -> None:
        project = self.service.project
        await self.service.bus.publish_event(project, Message(id=event.id, body=dump_event(event)))

    async def watch(self, request: str, name: str = "a.bst") -> None:
        await self.send(WatchRequested(id=request, element=name, reply_to=self.address))

    async def fetch(self, request: str, name: str = "a.bst") -> None:
        await self.send(FetchRequested(id=request, element=name, reply_to=self.address))

    def of(self, request: str) -> Sequence[Progress]:
        return [each for each in self.told if isinstance(each, Progress) and request in each.request_ids]

    def states(self, request: str) -> list[JobState]:
        """Return what the request was told, repeats left out."""
        states = [each.state for each in self.of(request)]
        return [state for place, state in enumerate(states) if states[place - 1 : place] != [state]]

    def reply(self, request: str) -> Reply | None:
        found = (each for each in self.told if isinstance(each, Reply) and each.request_id == request)
        return next(found, None)


async def test_a_fetch_hears_that_it_waits_and_runs_before_its_answer(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        engine.gate.clear()
        await inbox.fetch("f")
        await until(lambda: inbox.states("f") == ["waiting", "running"])
        assert inbox.reply("f") is None
        engine.gate.set()
        await until(lambda: inbox.reply("f") is not None)
        assert {each.attempt for each in inbox.of("f") if each.state == "running"} == {1}


@pytest.mark.broker
async def test_so_it_does_over_a_real_broker(tmp_path: Path, amqp_url: str) -> None:
    engine = FakeEngine()
    engine.gate.clear()
    bus = RabbitBus(amqp_url, confirm_timeout=10.0)
    await bus.start()
    async with Service(tmp_path, engine, bus=bus, project=f"p{uuid.uuid4().hex[:8]}") as service:
        inbox = await Inbox(service).open()
        await inbox.fetch("f")
        await until(lambda: inbox.states("f") == ["waiting", "running"])
        engine.gate.set()
        await until(lambda: inbox.reply("f") is not None)
    await bus.close()


async def test_who_only_tracks_hears_its_answer_alone(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=NEW)) as service:
        inbox = await Inbox(service).open()
        await inbox.send(TrackRequested(id="t", element="a.bst", reply_to=inbox.address))
        await until(lambda: inbox.reply("t") is not None)
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        assert inbox.of("t") == []


async def test_two_who_wait_in_one_inbox_are_told_in_one_message(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        engine.gate.clear()
        await inbox.fetch("f")
        await until(lambda: inbox.states("f") == ["waiting", "running"])
        await inbox.fetch("g")
        await until(lambda: inbox.of("g") != [])
        assert inbox.of("g")[-1].request_ids == ("f", "g")
        assert inbox.of("g")[-1].state == "running"
        engine.gate.set()
        await until(lambda: inbox.reply("f") is not None and inbox.reply("g") is not None)
        assert len(engine.ran) == 1


async def test_a_watched_job_is_told_from_where_it_stands_to_its_end(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        engine.free.clear()
        await service.push("a", "d1")
        await until_rows(lambda: service.rows("SELECT state FROM jobs"), [("running",)])
        await inbox.watch("w")
        await until(lambda: inbox.states("w") == ["waiting"])
        engine.free.set()
        await until(lambda: inbox.states("w")[-1] == "done")
        assert inbox.states("w") == ["waiting", "running", "tracked", "done"]
        assert await service.rows("SELECT * FROM job_clients") == []


async def test_without_a_job_there_is_nothing_to_watch(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine()) as service:
        inbox = await Inbox(service).open()
        await inbox.watch("w")
        await inbox.watch("x", "elsewhere.bst")
        await until(lambda: inbox.reply("w") is not None and inbox.reply("x") is not None)
        assert [getattr(inbox.reply(each), "outcome", "") for each in "wx"] == ["no_job", "unknown_element"]


async def test_a_failure_is_told_with_its_reason_and_when_it_is_tried_again_and_quarantine_is_the_end(
    tmp_path: Path,
) -> None:
    engine = FakeEngine(a=ElementError("no such branch"))
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        engine.free.clear()
        await service.push("a", "d1")
        await until_rows(lambda: service.rows("SELECT count(*) FROM jobs"), [(1,)])
        await inbox.watch("w")
        await until(lambda: inbox.states("w") == ["waiting"])
        engine.free.set()
        await until(lambda: inbox.states("w")[-1] == "ended", QUICK)
        failing = [each for each in inbox.of("w") if each.state == "failing"]
        assert failing
        assert failing[0].reason == "no such branch"
        assert failing[0].due_at is not None
        end = inbox.of("w")[-1]
        assert (end.reason, end.attempt) == ("no such branch", 3)
        assert await service.rows("SELECT state, set_aside_at IS NULL FROM jobs") == [("waiting", 0)]
        assert await service.rows("SELECT * FROM job_clients") == []


async def test_a_job_that_waits_for_the_cache_says_so_and_its_watcher_makes_it_go_out_no_sooner(
    tmp_path: Path,
) -> None:
    engine = FakeEngine(
        a=CacheAway("source cache http://c: gone"), b=CacheAway("source cache http://c: gone")
    )
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        await service.push("a", "d1")
        await until_rows(lambda: service.rows("SELECT awaits_cache FROM jobs"), [(1,)])
        ran = len(engine.ran)
        await inbox.watch("w")
        await until(lambda: inbox.states("w") == ["held"])
        assert "source cache http://c: gone" in (inbox.of("w")[0].reason or "")
        clock = asyncio.get_running_loop().time
        out = await service.database.run(partial(jobs.hand_out, now=clock(), most=64))
        assert (out, len(engine.ran)) == ([], ran)


async def test_a_cancelled_job_is_over_for_its_watchers(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        engine.gate.clear()
        await service.push("a", "d1")
        await until(lambda: len(engine.ran) == 1)
        await inbox.watch("w")
        await until(lambda: inbox.states("w") == ["running"])
        cancel = CancelRequested(id="c", elements="a.bst", by="me", reply_to=service.inbox.address)
        await service.ask(cancel)
        await until(lambda: inbox.states("w")[-1] == "ended")
        assert inbox.of("w")[-1].reason == "cancelled by me"


async def test_watching_keeps_no_job_that_its_client_has_left_and_leaving_drops_none(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine, slots=1) as service:
        inbox = await Inbox(service).open()
        engine.gate.clear()
        await service.push("b", "d1")
        await until(lambda: len(engine.ran) == 1)  # on the only slot
        await inbox.fetch("f")
        await until(lambda: inbox.states("f") == ["waiting"])
        await inbox.watch("w")
        await inbox.watch("v")
        await until(lambda: inbox.states("v") == ["waiting"])
        for request in ("v", "f"):
            event = RequestWithdrawn(id=f"{request}/withdrawn", request_id=request)
            await service.bus.publish_event("p", Message(id=event.id, body=dump_event(event)))
            if request == "v":
                await until_rows(lambda: service.rows("SELECT count(*) FROM job_clients"), [(2,)])
                assert await service.rows("SELECT count(*) FROM jobs WHERE element = 'a.bst'") == [(1,)]
        await until(lambda: inbox.states("w")[-1] == "ended")
        assert inbox.of("w")[-1].reason == "who asked for it left"
        engine.gate.set()


async def test_a_reload_is_answered_with_what_it_found(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        engine.elements = (element("a", "3" * 40), element("c"), element("d"))
        engine.revision = "4" * 40
        await inbox.send(ReloadRequested(id="r", by="me", reply_to=inbox.address))
        await until(lambda: inbox.reply("r") is not None)
        found = Reloaded(revision="4" * 40, added=2, changed=1, removed=1)
        assert getattr(inbox.reply("r"), "reloaded", None) == found


async def test_a_branch_that_does_not_load_is_told_and_what_was_loaded_stays(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        engine.load_error = Permanent("project.conf: line 3: no such option")
        await inbox.send(ReloadRequested(id="r", by="me", reply_to=inbox.address))
        await until(lambda: inbox.reply("r") is not None)
        reply = inbox.reply("r")
        assert reply is not None
        assert (reply.outcome, reply.reason) == ("failed", "project.conf: line 3: no such option")
        assert service.loader.index is not None
        assert service.loader.index.element("a.bst") is not None


async def test_no_more_clients_wait_for_a_load_than_may_and_the_rest_are_told(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        engine.load_gate.clear()
        requests = [f"r{number}" for number in range(102)]
        for request in requests:
            await inbox.send(ReloadRequested(id=request, by="me", reply_to=inbox.address))
        await until(lambda: len(inbox.told) > 0)
        refused = {each.request_id for each in inbox.told if isinstance(each, Reply)}
        assert {each.outcome for each in inbox.told if isinstance(each, Reply)} == {"unavailable"}
        engine.load_gate.set()
        await until(lambda: all(inbox.reply(request) is not None for request in requests))
        waited = {request for request in requests if getattr(inbox.reply(request), "reloaded", None)}
        assert waited == set(requests) - refused
        assert len(waited) >= 100


async def test_who_waits_for_an_element_that_leaves_the_project_is_told(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        engine.gate.clear()
        await inbox.fetch("runs")
        await until(lambda: inbox.states("runs") == ["waiting", "running"])
        # A look at the upstream is wanted now: it waits behind the job that has begun.
        await inbox.send(TrackRequested(id="waits", element="a.bst", reply_to=inbox.address))
        await until_rows(lambda: service.rows("SELECT count(*) FROM jobs"), [(2,)])
        engine.elements = ()
        service.loader.reload("gone")
        await until(
            lambda: service.loader.index is not None and service.loader.index.element("a.bst") is None
        )
        engine.gate.set()
        await until(lambda: inbox.reply("waits") is not None)
        reply = inbox.reply("waits")
        assert reply is not None
        assert (reply.outcome, reply.reason) == ("unknown_element", "the element left the project")
        await until_rows(lambda: service.rows("SELECT * FROM job_clients"), [])


async def test_who_asked_for_a_load_that_broke_off_is_told_of_the_next_one(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        await until(service.loader.ready.is_set)
        engine.load_error = RuntimeError("a bug")
        await inbox.send(ReloadRequested(id="r", by="who", reply_to=inbox.address))
        await until(lambda: engine.loads == 1 and not service.loader._asked.is_set())  # noqa: SLF001
        engine.load_error = None
        service.loader.reload("next")
        assert await service.loader.attempt()
        await until(lambda: inbox.reply("r") is not None)
        reply = inbox.reply("r")
        assert reply is not None
        assert reply.outcome == "reloaded"


async def test_so_is_who_waits_for_one_that_is_to_be_ignored_meanwhile(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service:
        inbox = await Inbox(service).open()
        engine.gate.clear()
        await inbox.fetch("runs")
        await until(lambda: inbox.states("runs") == ["waiting", "running"])
        await inbox.send(TrackRequested(id="waits", element="a.bst", reply_to=inbox.address))
        await until_rows(lambda: service.rows("SELECT count(*) FROM jobs"), [(2,)])
        service.loader.policy = Policy(own={"a.bst": PolicyKeys(ignore=True)})
        engine.gate.set()
        await until(lambda: inbox.reply("waits") is not None)
        reply = inbox.reply("waits")
        assert reply is not None
        assert (reply.outcome, reply.reason) == ("failed", service.loader.policy.stays("a.bst"))
