"""An operator's calls on elements that fail: which there are, retry, release, cancel."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.client import InvalidRequest, NotFound, WorkFailed
from hookfetch.client.telling import element_line, elements_line
from hookfetch.core.errors import ElementError
from tests.bus.recorder import unique
from tests.coordinator.service import NEW, FakeEngine, until, until_rows
from tests.server.grpc.test_grpc_operations import Operated, operated

ASIDE = "SELECT failures FROM jobs WHERE state = 'waiting' AND set_aside_at IS NOT NULL ORDER BY element"


@asynccontextmanager
async def failing(root: Path, engine: FakeEngine, amqp: str | None = None) -> AsyncIterator[Operated]:
    """Yield a project whose elements a and b are set aside after three failures."""
    bus = None if amqp is None else RabbitBus(amqp, confirm_timeout=10.0)
    if bus is not None:
        await bus.start()
    project = "p" if amqp is None else unique("p")
    async with operated(root, engine, (project,), bus=bus, project=project) as lab:
        await lab.service.push("a", "h/1")
        await lab.service.push("b", "h/2")
        await until_rows(lambda: lab.service.rows(ASIDE), [(3,), (3,)])
        yield lab


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.broker)])
def amqp(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "memory" else request.getfixturevalue("amqp_url")


async def test_a_retry_counts_on_until_it_succeeds_and_a_release_counts_anew(
    tmp_path: Path, amqp: str | None
) -> None:
    engine = FakeEngine(a=ElementError("404 Not Found"), b=ElementError("404 Not Found"))
    async with failing(tmp_path, engine, amqp) as lab:
        project = lab.service.project
        page = await lab.operations.elements(projects=[project])
        assert page.counts == {"set aside": 2}
        assert [(each.element, each.state, each.failures, each.attempts) for each in page.elements] == [
            ("a.bst", "set aside", 3, 3),
            ("b.bst", "set aside", 3, 3),
        ]
        assert all(each.due_at is not None and each.since is not None for each in page.elements)
        assert element_line(page.elements[0]).endswith("  404 Not Found")

        done = await lab.operations.retry(project, "*.bst")
        assert (done.elements, done.left, done.paused) == (("a.bst", "b.bst"), 0, False)
        await until_rows(lambda: lab.service.rows(ASIDE), [(4,), (4,)])

        done = await lab.operations.release(project, "a.bst")
        assert done.elements == ("a.bst",)
        await until_rows(lambda: lab.service.rows(ASIDE), [(3,), (4,)])

        engine.upstream["a.bst"] = engine.upstream["b.bst"] = NEW
        await lab.operations.retry(project, "a.bst")
        await lab.operations.release(project, "b*")
        await until(lambda: len(lab.service.entries) == 2)
        await until_rows(lambda: lab.service.rows("SELECT * FROM jobs"), [])
        assert (await lab.operations.elements()).elements == ()


async def test_a_cancel_ends_a_run_and_who_waits_for_it_hears_by_whom(
    tmp_path: Path, amqp: str | None
) -> None:
    engine = FakeEngine(a=NEW)
    bus = None if amqp is None else RabbitBus(amqp, confirm_timeout=10.0)
    if bus is not None:
        await bus.start()
    project = "p" if amqp is None else unique("p")
    async with operated(tmp_path, engine, (project,), bus=bus, project=project) as lab:
        engine.gate.clear()
        asked = asyncio.ensure_future(lab.client.track(project, "a.bst"))
        await until(lambda: len(engine.ran) == 1)
        done = await lab.operations.cancel(project, "a*")
        assert (done.elements, done.left) == (("a.bst",), 0)
        with pytest.raises(WorkFailed, match=r"cancelled by ipv4:127\.0\.0\.1:"):
            await asked
        await until(lambda: engine.cut_off == 1)
        assert (await lab.operations.elements()).elements == ()
        report = await lab.operations.explain(project, "a.bst")
        assert report.jobs[0].reason is not None
        assert report.jobs[0].reason.startswith("cancelled by ")
        engine.gate.set()
        assert (await lab.client.track(project, "a.bst")).refs[0].ref == NEW


async def test_elements_are_listed_in_pages_those_that_want_a_look_first(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW, b=ElementError("404"))
    async with operated(tmp_path, engine) as lab:
        await lab.service.push("b", "h/1")
        await until_rows(lambda: lab.service.rows(ASIDE), [(3,)])
        await lab.operations.pause()
        await lab.service.push("a", "h/2")
        await until_rows(lambda: lab.service.rows("SELECT count(*) FROM jobs"), [(2,)])
        page = await lab.operations.elements()
        assert [(each.element, each.state) for each in page.elements] == [
            ("b.bst", "set aside"),
            ("a.bst", "waiting"),
        ]
        assert (page.paused, page.silent) == (("p",), ())
        assert elements_line(page, shown=1) == "1 set aside, 1 waiting; 1 of 2 shown"
        only = await lab.operations.elements(states=["waiting"], globs=["a*", "x*"])
        assert ([each.element for each in only.elements], only.counts) == (["a.bst"], {"waiting": 1})
        none = await lab.operations.elements(states=["held"])
        assert (none.elements, elements_line(none, shown=0)) == ((), "no element with an open job matches")
        assert (await lab.operations.retry("p", "b.bst")).paused


async def test_pages_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine()) as lab:
        await lab.operations.pause()
        names = [f"{number:03}.bst" for number in range(250)]
        rows = ", ".join(
            f"('{name}', '{name}', 'waiting', 1, 1, 0, {int(name < '150')})" for name in reversed(names)
        )
        await lab.service.rows(
            f"INSERT INTO jobs (id, element, state, track, priority, due_at, failures) VALUES {rows}"  # noqa: S608
        )
        seen, token, pages = [], "", 0
        while pages == 0 or token:
            page = await lab.operations.elements(after=token)
            assert page.counts == {"failing": 150, "waiting": 100}
            seen += [each.element for each in page.elements]
            token, pages = page.next_page_token, pages + 1
        assert (seen, pages) == (names, 3)


async def test_what_cannot_be_done_says_why(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with operated(tmp_path, engine) as lab:
        operations = lab.operations
        for call in (operations.retry, operations.release, operations.cancel):
            with pytest.raises(NotFound, match="'elsewhere'"):
                await call("elsewhere", "a.bst")
            with pytest.raises(NotFound, match=r"'p' has no element 'nobody\.bst'"):
                await call("p", "nobody.bst")
            with pytest.raises(WorkFailed, match=r"'x\*' .*hookfetch elements list"):
                await call("p", "x*")
            with pytest.raises(InvalidRequest, match="elements"):
                await call("p", "")
            with pytest.raises(InvalidRequest, match="elements"):
                await call("p", "[z-a]")
        with pytest.raises(WorkFailed, match=r"a\.bst has no job that waits"):
            await operations.retry("p", "a.bst")
        engine.gate.clear()
        await lab.service.push("a", "h/1")
        async with asyncio.timeout(10.0):
            while not (await operations.elements(states=["running"])).elements:
                await asyncio.sleep(0.01)
        with pytest.raises(WorkFailed, match=r"a\.bst is being worked on"):
            await operations.retry("p", "a.bst")
        with pytest.raises(NotFound, match="'elsewhere'"):
            await operations.elements(projects=["elsewhere"])
        with pytest.raises(InvalidRequest, match="states"):
            await operations.elements(states=["broken"])
        with pytest.raises(InvalidRequest, match="page_token"):
            await operations.elements(after="?")
