"""An operator's calls over a real coordinator, store and bus; the ingress's deliveries are a list."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hookfetch.client import Client, Credentials, InvalidRequest, NotFound, Unavailable, WorkFailed
from hookfetch.client.telling import page_lines, report_lines, state_lines, story_lines
from hookfetch.coordinator.answers import Answers
from hookfetch.core.errors import ElementError, Permanent
from hookfetch.core.events import TrackRequested
from hookfetch.core.kept import DeliveryFilter, DeliveryRecord, ToldFact
from hookfetch.core.ports import Bus
from hookfetch.server.access.access import Access
from hookfetch.server.answers import IngressAnswers
from hookfetch.server.grpc.server import GrpcServer
from tests.coordinator.service import NEW, OLD, FakeEngine, Service, until, until_rows


class KeptList:
    """An ingress's deliveries, as many as are put in `records`."""

    def __init__(self) -> None:
        self.records: list[DeliveryRecord] = []
        self.replayed: list[str] = []

    async def list(
        self, wanted: DeliveryFilter, limit: int, before: tuple[float, str] | None = None
    ) -> Sequence[DeliveryRecord]:
        found = sorted(self.records, key=lambda each: (each.received_at, each.id), reverse=True)
        return [
            each
            for each in found
            if wanted.admits(each) and (before is None or (each.received_at, each.id) < before)
        ][:limit]

    async def receptions(self, delivery_ids: Sequence[str], limit: int) -> Sequence[DeliveryRecord]:
        return [each for each in self.records if each.id in delivery_ids][-limit:]

    async def replay(self, delivery_id: str) -> str:
        if delivery_id.endswith("gone"):
            raise Permanent(f"{delivery_id}: its body is no longer kept")
        self.replayed.append(delivery_id)
        return f"{delivery_id}~1"


def record(delivery: str, at: float = 1.0) -> DeliveryRecord:
    fact = ToldFact(
        id=f"{delivery}#0", type="branch_pushed", repositories=("example.org/a",), ref="refs/heads/main"
    )
    return DeliveryRecord(
        id=delivery,
        hook=delivery.partition("/")[0],
        received_at=at,
        relayed_at=at + 0.002,
        bytes=100,
        outcome="relayed",
        facts=(fact,),
        fact_count=1,
    )


class Operated:
    """A coordinator, its gateway, and a client."""

    def __init__(
        self, service: Service, client: Client, kept: KeptList, other: KeptList, target: str
    ) -> None:
        self.service = service
        self.target = target
        self.client = client
        self.operations = client.operations
        self.kept = kept
        self.other = other

    async def pushed(self, delivery: str, element: str = "a") -> None:
        self.kept.records.append(record(delivery, asyncio.get_running_loop().time()))
        await self.service.push(element, delivery)


@asynccontextmanager
async def operated(
    root: Path,
    engine: FakeEngine,
    projects: Sequence[str] = ("p",),
    *,
    bus: Bus | None = None,
    project: str = "p",
    access: Access | None = None,
    credentials: Credentials | None = None,
) -> AsyncIterator[Operated]:
    async with Service(root, engine, bus=bus, project=project) as service:
        coordinator = service.coordinator
        answers = Answers(
            project=project,
            database=service.database,
            bus=service.bus,
            loader=service.loader,
            epoch=lambda: coordinator.epoch,
            clock=asyncio.get_running_loop().time,
        )
        kept, other = KeptList(), KeptList()
        ingress = IngressAnswers("one", kept, service.bus)
        second = IngressAnswers("two", other, service.bus)
        server = GrpcServer(service.bus, projects, "127.0.0.1:0", access=access)
        for part in (answers, ingress, second, server):
            await part.start()
        try:
            async with Client(f"127.0.0.1:{server.port}", credentials) as client:
                yield Operated(service, client, kept, other, f"127.0.0.1:{server.port}")
        finally:
            await server.stop(0)
            await answers.stop()


async def test_a_delivery_s_story_has_all_stages(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW)) as lab:
        await lab.pushed("h/1")
        await until_rows(lambda: lab.service.rows("SELECT * FROM jobs"), [])
        story = await lab.operations.story("h/1")
        assert (story.id, story.outcome, story.silent) == ("h/1", "done", ())
        [accepted] = story.deliveries
        assert (accepted.ingress, accepted.bytes, accepted.facts[0].id) == ("one", 100, "h/1#0")
        [project] = story.projects
        assert [(event.id, event.outcome) for event in project.events] == [("h/1#0", "done")]
        [job] = project.jobs
        assert (job.element, job.state, job.attempts, job.outcome, job.entry) == (
            "a.bst",
            "ended",
            1,
            "done",
            1,
        )
        assert job.causes == ("h/1",)
        [entry] = project.entries
        assert (entry.number, entry.element, entry.cached) == (1, "a.bst", True)
        assert NEW in entry.changes[0]
        text = "\n".join(story_lines(story))
        for stage in (
            "accepted  h/1",
            "relayed   1 facts",
            "branch_pushed  h/1#0  done",
            "job",
            "entry     1",
        ):
            assert stage in text


async def test_a_replay_is_told_with_its_delivery(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW)) as lab:
        await lab.pushed("h/1")
        await until_rows(lambda: lab.service.rows("SELECT * FROM jobs"), [])
        assert await lab.operations.replay("h/1") == "h/1~1"
        assert (lab.kept.replayed, lab.other.replayed) == (["h/1"], [])
        await lab.pushed("h/1~1")
        for asked in ("h/1", "h/1~1"):
            story = await lab.operations.story(asked)
            assert [each.id for each in story.deliveries] == ["h/1", "h/1~1"]
            assert [event.id for event in story.projects[0].events] == ["h/1#0", "h/1~1#0"]
        assert story.outcome == "nothing to do"


async def test_a_replay_that_is_refused_says_why(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine()) as lab:
        lab.kept.records.append(record("h/gone"))
        with pytest.raises(WorkFailed, match="no longer kept"):
            await lab.operations.replay("h/gone")


async def test_an_unknown_delivery_says_what_to_do(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine()) as lab:
        for call in (lab.operations.story, lab.operations.replay):
            with pytest.raises(NotFound, match="deliveries list"):
                await call("h/nowhere")


async def test_a_delivery_is_known_by_its_project_while_its_ingress_is_away(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW)) as lab:
        await lab.service.push("a", "h/1")
        await until_rows(lambda: lab.service.rows("SELECT * FROM jobs"), [])
        story = await lab.operations.story("h/1")
        assert (story.outcome, story.deliveries) == ("done", ())


async def test_deliveries_of_all_ingresses_are_listed_in_pages_newest_first(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW)) as lab:
        lab.kept.records += [record(f"h/{number:03}", float(number)) for number in range(0, 150, 2)]
        lab.other.records += [record(f"g/{number:03}", float(number)) for number in range(1, 150, 2)]
        page = await lab.operations.deliveries()
        assert len(page.deliveries) == 100
        second = await lab.operations.deliveries(after=page.next_page_token)
        everything = [each.received_at for each in (*page.deliveries, *second.deliveries)]
        assert everything == [float(number) for number in reversed(range(150))]
        assert second.next_page_token == ""
        only = await lab.operations.deliveries(hook="g", since=10.0, until=20.0)
        assert [each.id for each in only.deliveries] == [f"g/{n:03}" for n in (19, 17, 15, 13, 11)]
        assert all("nothing to do" in line for line in page_lines(only))


async def test_deliveries_are_listed_by_outcome(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW, b=ElementError("404"))) as lab:
        await lab.pushed("h/good")
        await lab.pushed("h/bad", "b")
        await until_rows(lambda: lab.service.rows("SELECT set_aside_at IS NOT NULL FROM jobs"), [(1,)])
        lab.kept.records.append(replace(record("h/dead"), outcome="dead", reason="body: no JSON"))
        for outcome, wanted in (("done", "h/good"), ("set aside", "h/bad"), ("dead", "h/dead")):
            page = await lab.operations.deliveries(outcome=outcome)
            assert [each.id for each in page.deliveries] == [wanted]
        with pytest.raises(InvalidRequest, match="outcome"):
            await lab.operations.deliveries(outcome="lost")
        with pytest.raises(InvalidRequest, match="page_token"):
            await lab.operations.deliveries(after="?")


async def test_why_tells_what_an_element_follows_and_where_it_stands(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW)) as lab:
        await lab.pushed("h/1")
        await until_rows(lambda: lab.service.rows("SELECT * FROM jobs"), [])
        report = await lab.operations.explain("p", "a.bst")
        [source] = report.sources
        assert (source.kind, source.repository) == ("git_repo", "example.org/a")
        assert "refs/heads/main" in source.follows
        assert (source.committed, source.proposed, source.seen_since) == (OLD, NEW, None)
        assert "was not asked yet" in report.summary
        assert [entry.number for entry in report.entries] == [1]
        assert [job.state for job in report.jobs] == ["ended"]
        assert "never asked" in "\n".join(report_lines(report))
        with pytest.raises(NotFound, match=r"nobody\.bst"):
            await lab.operations.explain("p", "nobody.bst")
        with pytest.raises(NotFound, match="elsewhere"):
            await lab.operations.explain("elsewhere", "a.bst")


async def test_why_tells_the_last_failure_of_an_element_that_is_set_aside(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=ElementError("404 Not Found"))) as lab:
        await lab.pushed("h/1")
        await until_rows(lambda: lab.service.rows("SELECT set_aside_at IS NOT NULL FROM jobs"), [(1,)])
        report = await lab.operations.explain("p", "a.bst")
        assert "set aside for 60 min more after 3 failures in a row: 404 Not Found" in report.summary
        assert report.jobs[0].causes == ("h/1",)


async def test_why_and_state_tell_that_a_project_is_unhealthy(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.load_error = Permanent("project.conf: no such plugin")
    async with operated(tmp_path, engine) as lab:
        report = await lab.operations.explain("p", "a.bst")
        assert report.summary == "The project is unhealthy: project.conf: no such plugin"
        state = await lab.operations.state()
        assert state.projects[0].unhealthy == "project.conf: no such plugin"


async def test_state_tells_what_hooks_missed(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine()) as lab:
        line = next(iter(state_lines(await lab.operations.state())))
        assert "hooks missed" not in line
        await lab.service.rows("INSERT INTO hooked VALUES ('a', 1.0, 2, 5.0), ('b', 2.0, 1, 9.0)")
        state = await lab.operations.state()
        assert (state.projects[0].missed_by_hooks, state.projects[0].last_missed_at) == (3, 9.0)
        assert "hooks missed 3, the last at " in next(iter(state_lines(state)))


async def test_a_pause_holds_a_push_serves_requests_and_a_resume_lets_it_through(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW, b=NEW)
    async with operated(tmp_path, engine) as lab:
        assert await lab.operations.pause(reason="a freeze") == ("p",)
        first = (await lab.operations.state()).projects[0].paused
        assert first is not None
        assert (first.reason, first.by.partition(":")[0]) == ("a freeze", "ipv4")
        assert await lab.operations.pause(["p"], "another") == ("p",)
        assert (await lab.operations.state()).projects[0].paused == first
        await lab.pushed("h/1")
        request = TrackRequested(id="r", element="b.bst", reply_to=lab.service.inbox.address)
        assert (await lab.service.ask(request)).outcome == "tracked"
        await until(lambda: [entry.element for entry in lab.service.entries] == ["b.bst"])
        assert [job.element for job in engine.ran] == ["b.bst"]
        report = await lab.operations.explain("p", "a.bst")
        assert "paused" in report.summary
        assert "a freeze; a job waits until it is resumed" in report.summary
        state = await lab.operations.state()
        assert (state.projects[0].waiting, state.projects[0].last_entry) == (1, 1)
        assert "paused since" in next(iter(state_lines(state)))
        for _ in range(2):
            assert await lab.operations.resume() == ("p",)
        await until(lambda: [entry.element for entry in lab.service.entries] == ["b.bst", "a.bst"])
        assert lab.service.entries[1].causes == ("h/1",)


async def test_a_pause_outlives_a_restart(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW)) as lab:
        await lab.operations.pause()
        await lab.pushed("h/1")
    engine = FakeEngine(a=NEW)
    async with operated(tmp_path, engine) as lab:
        report = await lab.operations.explain("p", "a.bst")
        assert report.paused is not None
        assert engine.ran == []
        await lab.operations.resume()
        await until(lambda: len(lab.service.entries) == 1)


async def test_a_project_with_only_a_standby_is_silent_and_named(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW), ("p", "q")) as lab:
        standby = Answers(
            project="q",
            database=lab.service.database,
            bus=lab.service.bus,
            loader=lab.service.loader,
            epoch=lambda: 0,
            clock=asyncio.get_running_loop().time,
        )
        await standby.start()
        began = asyncio.get_running_loop().time()
        state = await lab.operations.state()
        assert 1.9 < asyncio.get_running_loop().time() - began < 4.0
        assert ([each.project for each in state.projects], state.silent) == (["p"], ("q",))
        with pytest.raises(Unavailable, match="'q'"):
            await lab.operations.explain("q", "a.bst")
        with pytest.raises(Unavailable, match="no coordinator"):
            await lab.operations.pause(["q"])
