"""What callers may do at a real gateway: isolation of projects, revocation, bounds, the audit log."""

import asyncio
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from hookfetch.client import Denied, NotFound, Unauthenticated
from hookfetch.core.access import Caller, grant
from hookfetch.core.codec import load_event
from hookfetch.core.events import FetchRequested, TrackRequested
from hookfetch.core.jobs import Reply
from hookfetch.core.ports import Message
from hookfetch.server.access.access import ANONYMOUS, Access, Known
from hookfetch.server.access.watch import TokenWatch
from hookfetch.server.grpc.admission.limits import Limits
from hookfetch.v1 import jobs_pb2, jobs_pb2_grpc, refs_pb2, refs_pb2_grpc, sources_pb2, sources_pb2_grpc
from tests.server.grpc.access_lab import TOKENS, access_for, details_of, guarded, known
from tests.server.grpc.gateway_lab import announce, coordinate, entry, take, until

GNOME = known("gnome", projects=["gnome"])
SDK = known("sdk", projects=["sdk"])


def _tracked(event: TrackRequested | FetchRequested) -> Reply | None:
    if event.element == "silent.bst":
        return None
    return Reply(request_id=event.id, outcome="tracked", element=event.element)


async def test_a_listing_and_a_watch_have_the_caller_s_projects_alone(tmp_path: Path) -> None:
    async with (
        guarded(tmp_path, access_for(GNOME, SDK)) as lab,
        lab.client("gnome") as mine,
        lab.client("sdk") as other,
    ):
        assert {each.project for each in (await mine.list()).updates} == {"gnome"}
        async with mine.watch(start="oldest") as watch, other.watch(start="oldest") as others:
            assert [each.project for each in await take(watch, 1)] == ["gnome"]
            assert [each.project for each in await take(others, 1)] == ["sdk"]
            await announce(lab.bus, entry(2, project="sdk"), entry(2, project="gnome"))
            (update,) = await take(watch, 1)
            assert (update.project, "sdk" in (watch.cursor or "")) == ("gnome", False)


async def test_a_project_of_others_is_told_as_one_that_does_not_exist(tmp_path: Path) -> None:
    async with guarded(tmp_path, access_for(GNOME)) as lab, lab.client("gnome") as client:
        for call in (
            lambda name: client.list(projects=[name]),
            lambda name: client.track(name, "core/glib.bst"),
            lambda name: client.fetch(name, "no-such.bst"),
            lambda name: client.operations.explain(name, "core/glib.bst"),
            lambda name: client.operations.pause([name]),
            lambda name: client.operations.retry(name, "core/glib.bst"),
        ):
            told = []
            for name in ("sdk", "nix"):
                with pytest.raises(NotFound) as refused:
                    await call(name)
                told.append(str(refused.value).replace(name, "X"))
            assert told[0] == told[1]


async def test_a_missing_scope_is_told_with_what_is_missing(tmp_path: Path) -> None:
    reader = known("gnome", ["read"], ["gnome"])
    async with guarded(tmp_path, access_for(reader)) as lab:
        async with lab.client("gnome") as client:
            with pytest.raises(Denied, match="no grant of yours has the scope 'track' with 'gnome'"):
                await client.track("gnome", "core/glib.bst")
        metadata = [("authorization", f"Bearer {TOKENS['gnome']}")]
        async with grpc.aio.insecure_channel(lab.target) as channel:
            stub = sources_pb2_grpc.SourceServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Fetch(
                    sources_pb2.FetchRequest(project="gnome", element="a"), metadata=metadata
                ).read()
        info = details_of(refused.value)["ErrorInfo"]
        assert isinstance(info, error_details_pb2.ErrorInfo)
        assert (info.reason, dict(info.metadata)) == (
            "SCOPE_MISSING",
            {"scope": "fetch", "project": "gnome"},
        )


@pytest.mark.parametrize(
    "shown",
    [
        (),
        ("Bearer wrong-9f3c1d7e5b2a8046c3d9",),
        ("Bearer",),
        (f"Basic {TOKENS['gnome']}",),
        (TOKENS["gnome"],),
        (f"Bearer {TOKENS['gnome']}", f"Bearer {TOKENS['gnome']}"),
    ],
)
async def test_nobody_is_known_by(tmp_path: Path, shown: tuple[str, ...]) -> None:
    async with (
        guarded(tmp_path, access_for(GNOME)) as lab,
        grpc.aio.insecure_channel(lab.target) as channel,
    ):
        # What is no request is not looked at either.
        call = channel.unary_unary("/hookfetch.v1.RefService/List")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"\xff", metadata=[("authorization", each) for each in shown])
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.aio.AioRpcError) as unparsed:
            await call(b"\xff", metadata=[("authorization", f"Bearer {TOKENS['gnome']}")])
        assert unparsed.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_expired_token_is_refused_and_its_watch_ended(tmp_path: Path) -> None:
    now = 1000.0
    expiring = Known(caller=GNOME.caller, expires=2000.0)
    access = Access([expiring], clock=lambda: now)
    access.renew("gnome", [TOKENS["gnome"]])
    async with guarded(tmp_path, access) as lab, lab.client("gnome") as client, client.watch() as watch:
        waiting = asyncio.create_task(take(watch, 1))
        await until(lambda: watch.cursor is not None)
        access.recheck()
        now = 2000.0
        access.recheck()
        with pytest.raises(Unauthenticated, match="no longer holds"):
            await waiting
        with pytest.raises(Unauthenticated, match="the access of gnome has expired"):
            await client.list()


async def test_a_token_that_is_taken_away_ends_what_runs_with_it_within_seconds(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.secret" for name in ("gnome", "sdk")}
    for name, file in files.items():
        file.write_text(TOKENS[name])
    access = Access([GNOME, SDK])
    watch_files = TokenWatch(access, {name: [file] for name, file in files.items()}, interval=0.1)
    watch_files.load()
    await watch_files.start()
    try:
        async with guarded(tmp_path, access) as lab:
            await coordinate(lab.bus, "gnome", _tracked)
            async with lab.client("gnome") as mine, lab.client("sdk") as other:
                watch, others = mine.watch(), other.watch()
                waiting = [asyncio.create_task(take(each, 1)) for each in (watch, others)]
                tracking = asyncio.create_task(mine.track("gnome", "silent.bst"))
                await until(lambda: watch.cursor is not None and others.cursor is not None)
                files["gnome"].unlink()
                async with asyncio.timeout(5):
                    for ended in (waiting[0], tracking):
                        with pytest.raises(Unauthenticated):
                            await ended
                with pytest.raises(Unauthenticated):
                    await mine.list()
                assert not waiting[1].done()
                await announce(lab.bus, entry(2, project="sdk"))
                assert len(await waiting[1]) == 1
                files["gnome"].write_text(TOKENS["gnome"])
                async with asyncio.timeout(5):
                    while True:
                        try:
                            await mine.list()
                            break
                        except Unauthenticated:
                            await asyncio.sleep(0.05)
    finally:
        await watch_files.stop()


async def test_who_shows_nothing_may_what_is_configured(tmp_path: Path) -> None:
    anyone = Caller(ANONYMOUS, (grant(["read"], ["sdk"]),))
    async with guarded(tmp_path, access_for(GNOME, anonymous=anyone)) as lab:
        async with lab.client(None) as client:
            assert {each.project for each in (await client.list()).updates} == {"sdk"}
            with pytest.raises(Denied):
                await client.track("sdk", "a.bst")
            with pytest.raises(NotFound):
                await client.list(projects=["gnome"])
        async with lab.client("lost") as client:  # what is shown and wrong does not count as nothing
            with pytest.raises(Unauthenticated):
                await client.list()


async def test_health_is_open_and_reflection_is_not(tmp_path: Path) -> None:
    async with (
        guarded(tmp_path, access_for(GNOME)) as lab,
        grpc.aio.insecure_channel(lab.target) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        assert await health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        async for _ in health.Watch(health_pb2.HealthCheckRequest(), timeout=10):
            break
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(aiter(stub.ServerReflectionInfo(iter([request]), timeout=10)))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        metadata = [("authorization", f"Bearer {TOKENS['gnome']}")]
        asked = stub.ServerReflectionInfo(iter([request]), timeout=10, metadata=metadata)
        assert await anext(aiter(asked))


async def test_one_caller_s_work_is_bounded_and_no_other_s(tmp_path: Path) -> None:
    limits = Limits(calls=4, work=2)
    asked: list[str] = []

    def noted(event: TrackRequested | FetchRequested) -> Reply | None:
        asked.append(event.element)
        return _tracked(event)

    async with guarded(tmp_path, access_for(GNOME, known("operator")), limits=limits) as lab:
        await coordinate(lab.bus, "gnome", noted)
        metadata = [("authorization", f"Bearer {TOKENS['gnome']}")]
        async with lab.client("operator") as other, grpc.aio.insecure_channel(lab.target) as channel:
            stub = sources_pb2_grpc.SourceServiceStub(channel)
            refs = refs_pb2_grpc.RefServiceStub(channel)
            silent = sources_pb2.TrackRequest(project="gnome", element="silent.bst")
            running = [stub.Track(silent, metadata=metadata) for _ in range(2)]
            await until(lambda: len(asked) == 2)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Track(silent, metadata=metadata, timeout=5)
            details = details_of(refused.value)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert {"RetryInfo", "QuotaFailure"} <= details.keys()
            assert await refs.List(refs_pb2.ListRequest(), metadata=metadata)
            assert not (await other.track("gnome", "core/glib.bst")).changes
            running[0].cancel()
            again = sources_pb2.TrackRequest(project="gnome", element="core/glib.bst")
            async with asyncio.timeout(5):
                while True:
                    try:
                        await stub.Track(again, metadata=metadata)
                        break
                    except grpc.aio.AioRpcError:
                        await asyncio.sleep(0.02)
            running[1].cancel()


async def test_who_only_reads_cannot_take_all_the_places_of_those_who_wait(tmp_path: Path) -> None:
    limits = Limits(calls=9, work=2)
    asked: list[str] = []

    async def handle(message: Message) -> None:
        asked.append(load_event(message.body).type)

    async def on_active() -> None:
        return None

    async with guarded(tmp_path, access_for(GNOME), limits=limits) as lab:
        await lab.bus.coordinate("gnome", handle, on_active)
        metadata = [("authorization", f"Bearer {TOKENS['gnome']}")]
        async with grpc.aio.insecure_channel(lab.target) as channel:
            stub = jobs_pb2_grpc.JobServiceStub(channel)
            request = jobs_pb2.WatchJobRequest(project="gnome", element="a.bst")
            watching = [stub.Watch(request, metadata=metadata) for _ in range(2)]
            await until(lambda: asked == ["watch_requested"] * 2)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await anext(aiter(stub.Watch(request, metadata=metadata, timeout=5)))
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            for each in watching:
                each.cancel()


async def test_a_request_beyond_its_bytes_is_refused(tmp_path: Path) -> None:
    async with (
        guarded(tmp_path, access_for(GNOME), limits=Limits(message=2048)) as lab,
        grpc.aio.insecure_channel(lab.target) as channel,
    ):
        call = channel.unary_unary("/hookfetch.v1.RefService/List")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"x" * 4096, metadata=[("authorization", f"Bearer {TOKENS['gnome']}")])
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_work_and_refusals_are_told_and_no_token_is(tmp_path: Path) -> None:
    async with guarded(tmp_path, access_for(GNOME)) as lab:
        await coordinate(lab.bus, "gnome", _tracked)
        with capture_logs() as lines:
            async with lab.client("gnome") as mine, lab.client("lost") as stranger:
                await mine.list()
                await mine.track("gnome", "core/glib.bst")
                for refused in (stranger.list(), mine.track("sdk", "a.bst")):
                    with pytest.raises((Unauthenticated, NotFound)):
                        await refused
            told = [line for line in lines if line.get("audit")]
    assert [(line["event"], line["caller"], line["method"]) for line in told] == [
        ("call", "gnome", "/hookfetch.v1.SourceService/Track"),
        ("refused", None, "/hookfetch.v1.RefService/List"),
        ("refused", "gnome", "/hookfetch.v1.SourceService/Track"),
    ]
    assert (told[0]["projects"], told[0]["element"], told[0]["outcome"]) == (
        ["gnome"],
        "core/glib.bst",
        "OK",
    )
    assert told[1]["reason"] == "the token is not known here, or not any more"
    assert not any(token in str(lines) for token in TOKENS.values())


async def test_a_call_beyond_a_connection_s_waits_until_another_ends(tmp_path: Path) -> None:
    async with (
        guarded(tmp_path, access_for(GNOME), limits=Limits(streams=1)) as lab,
        lab.client("gnome") as client,
    ):
        watch = client.watch()
        waiting = asyncio.create_task(take(watch, 1))
        await until(lambda: watch.cursor is not None)
        listing = asyncio.create_task(client.list())
        done, _ = await asyncio.wait([listing], timeout=0.5)
        assert not done
        await announce(lab.bus, entry(2))
        await waiting
        await watch.aclose()
        assert (await listing).updates
