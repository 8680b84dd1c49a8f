"""Jobs watched and cancelled, and fetches that tell how they stand, over a real coordinator and its store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hookfetch.client import InvalidRequest, JobProgress, NotFound, TimedOut, WorkFailed
from hookfetch.core.codec import dump_reply, load_event
from hookfetch.core.errors import ElementError
from hookfetch.core.job_requests import WatchRequested
from hookfetch.core.jobs import Progress
from hookfetch.core.ports import Message
from hookfetch.server.grpc.jobs import JobServicer
from hookfetch.v1 import jobs_pb2, jobs_pb2_grpc
from tests.coordinator.service import NEW, FakeEngine, until, until_rows
from tests.server.grpc.gateway_lab import gateway
from tests.server.grpc.test_grpc_operations import operated


async def states(told: AsyncIterator[JobProgress], seen: list[str]) -> None:
    async for each in told:
        seen += [each.state]


async def test_a_fetch_tells_how_it_stands_until_its_result(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with operated(tmp_path, engine) as lab:
        told: list[JobProgress] = []
        engine.gate.clear()
        fetching = asyncio.create_task(lab.client.fetch("p", "a.bst", timeout=30, on_progress=told.append))
        await until(lambda: [each.state for each in told][-1:] == ["running"])
        assert {each.job for each in told} == {told[0].job}
        assert told[-1].attempt == 1
        engine.gate.set()
        assert (await fetching).element_key == "key"


async def test_a_fetch_that_is_left_drops_its_job_that_has_not_begun(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with operated(tmp_path, engine) as lab:
        engine.free.clear()
        told: list[JobProgress] = []
        with pytest.raises(TimedOut):
            await lab.client.fetch("p", "a.bst", timeout=1.0, on_progress=told.append)
        assert [each.state for each in told] == ["waiting"]
        await until_rows(lambda: lab.service.rows("SELECT * FROM jobs"), [])
        engine.free.set()


async def test_a_job_is_watched_to_its_end(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with operated(tmp_path, engine) as lab:
        engine.gate.clear()
        await lab.pushed("h/1")
        await until(lambda: len(engine.ran) == 1)
        seen: list[str] = []
        watching = asyncio.create_task(states(lab.client.jobs.watch("p", "a.bst", timeout=30), seen))
        await until(lambda: seen == ["running"])
        engine.gate.set()
        await watching
        assert seen[0] == "running"
        assert seen[-1] == "done"
        assert len(seen) == len(set(seen))


async def test_what_has_no_job_cannot_be_watched_and_what_is_no_element_neither(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine()) as lab:
        for element, kind in (("a.bst", "job"), ("none.bst", "element")):
            with pytest.raises(NotFound, match=element.replace(".", r"\.")) as refused:
                await anext(lab.client.jobs.watch("p", element, timeout=10))
            cause = refused.value.__cause__
            assert isinstance(cause, grpc.aio.AioRpcError)
            status = rpc_status.from_call(cause)
            detail = error_details_pb2.ResourceInfo()
            assert status is not None
            assert status.details[0].Unpack(detail)
            assert (detail.resource_type, detail.resource_name) == (f"hookfetch.v1/{kind}", element)
        with pytest.raises(NotFound, match="element"):  # the name of a job that is no element's own
            await anext(lab.client.jobs.watch("p", "a.bst|" + "c" * 64, timeout=10))
        with pytest.raises(NotFound, match="elsewhere"):
            await anext(lab.client.jobs.watch("elsewhere", "a.bst", timeout=10))
        with pytest.raises(InvalidRequest, match="element"):
            await anext(lab.client.jobs.watch("p", "a*.bst", timeout=10))


async def test_a_job_is_cancelled_by_its_element_and_its_watcher_hears_of_it(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with operated(tmp_path, engine) as lab:
        engine.gate.clear()
        await lab.pushed("h/1")
        await until(lambda: len(engine.ran) == 1)
        told = lab.client.jobs.watch("p", "a.bst", timeout=30)
        assert (await anext(told)).state == "running"
        await lab.client.jobs.cancel("p", "a.bst")
        end = await anext(told)
        assert end.state == "ended"
        assert (end.reason or "").startswith("cancelled by")
        assert [each async for each in told] == []
        with pytest.raises(WorkFailed, match=r"a\.bst has no job"):
            await lab.client.jobs.cancel("p", "a.bst")
        for globbed in ("*.bst", "a?bst"):
            with pytest.raises(InvalidRequest, match="element"):
                await lab.client.jobs.cancel("p", globbed)


async def test_a_failing_job_says_why_and_when_it_is_tried_again(tmp_path: Path) -> None:
    engine = FakeEngine(a=ElementError("no such branch"))
    async with operated(tmp_path, engine) as lab:
        engine.free.clear()
        await lab.pushed("h/1")
        await until_rows(lambda: lab.service.rows("SELECT state FROM jobs"), [("running",)])
        told = lab.client.jobs.watch("p", "a.bst", timeout=30)
        assert (await anext(told)).state == "waiting"
        engine.free.set()
        rest = [each async for each in told]
        assert rest[-1].state == "ended"
        assert rest[-1].reason == "no such branch"


async def test_a_watcher_who_hears_nothing_is_asked_for_again(tmp_path: Path) -> None:
    """What was told may get lost: of three messages here the second one is."""
    asked: list[WatchRequested] = []
    heard: list[str] = []

    async def handle(message: Message) -> None:
        event = load_event(message.body)
        heard.append(event.type)
        if isinstance(event, WatchRequested):
            asked.append(event)
            state = "running" if len(asked) == 1 else "done"
            progress = Progress(request_ids=(event.id,), job_id="j", state=state, attempt=1)  # type: ignore[arg-type]
            await lab.bus.publish_reply(event.reply_to, Message(id=event.id, body=dump_reply(progress)))

    async def on_active() -> None: ...

    async with gateway(tmp_path) as lab:
        await lab.bus.coordinate("gnome", handle, on_active)
        servicer = lab.server._jobs  # noqa: SLF001  nothing outside shows it
        assert isinstance(servicer, JobServicer)
        servicer.ask_again = 0.1
        stub = jobs_pb2_grpc.JobServiceStub(lab.client._channel)  # noqa: SLF001  the same connection
        call = stub.Watch(jobs_pb2.WatchJobRequest(project="gnome", element="a.bst"), timeout=20)
        told = [each.progress.state async for each in call]
        assert told == [jobs_pb2.JobProgress.STATE_RUNNING, jobs_pb2.JobProgress.STATE_DONE]
        assert len(asked) == 2
        await until(lambda: heard.count("request_withdrawn") >= 1)
