import asyncio
import random
import time
from collections.abc import AsyncIterable
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hookfetch.client import Client, Compacted, InvalidRequest, NotFound, RefUpdate
from hookfetch.core.codec import dump_record
from hookfetch.core.entries import EpochBegan, RefSuperseded, Settlement
from hookfetch.core.ports import Message
from hookfetch.core.sources import Ref
from hookfetch.server.grpc.log_window import LogWindow
from hookfetch.server.grpc.messages import update_message, watch_response
from hookfetch.v1 import refs_pb2, refs_pb2_grpc
from tests.server.grpc.gateway_lab import PROJECTS, announce, entry, gateway, keys, take, until

REFS: list[Ref] = [
    None,
    "0123abc",
    "",
    [{"z": 1, "a": "x"}, {"big": 2**70, "on": True, "none": None}],
    {"ref": "ü", "tags": [{"tag": "v1", "annotated": False}]},
]


async def test_a_watch_from_now_gets_what_is_announced_after_it_began(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1)) as lab, lab.client.watch() as watch:
        first = asyncio.create_task(take(watch, 1))
        await until(lambda: watch.cursor is not None)
        await announce(lab.bus, entry(2))
        assert keys(await first) == ["key-2"]


async def test_a_watch_from_the_oldest_entry_gets_all_that_is_kept_then_what_comes(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1), entry(2)) as lab, lab.client.watch(start="oldest") as watch:
        assert keys(await take(watch, 2)) == ["key-1", "key-2"]
        await announce(lab.bus, entry(3))
        assert keys(await take(watch, 1)) == ["key-3"]


async def test_a_watch_from_a_cursor_goes_on_after_it(tmp_path: Path) -> None:
    async with gateway(tmp_path, *map(entry, range(1, 5))) as lab:
        async with lab.client.watch(start="oldest") as watch:
            second = (await take(watch, 2))[-1]
        async with lab.client.watch(cursor=second.cursor) as watch:
            assert keys(await take(watch, 2)) == ["key-3", "key-4"]


async def test_what_a_replaced_coordinator_says_is_heard_by_nobody(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1)) as lab, lab.client.watch(start="oldest") as watch:
        mark = EpochBegan(project="gnome", epoch=8)
        await lab.bus.publish_entry(Message(id="gnome/epoch/8", body=dump_record(mark)))
        void, other = replace(entry(2, "void.bst"), epoch=9), entry(1, project="sdk")
        await announce(lab.bus, void, other, replace(entry(2), epoch=8))
        updates = await take(watch, 3)
        assert [(update.project, update.element) for update in updates] == [
            ("gnome", "core/glib.bst"),
            ("sdk", "core/glib.bst"),
            ("gnome", "core/glib.bst"),
        ]


@pytest.mark.parametrize("ref", REFS)
async def test_an_update_arrives_as_it_was_announced(tmp_path: Path, ref: Ref) -> None:
    announced = entry(1, ref=ref)
    async with gateway(tmp_path, announced) as lab, lab.client.watch(start="oldest") as watch:
        [update] = await take(watch, 1)
        assert update == RefUpdate(
            project="gnome",
            element="core/glib.bst",
            changes=announced.changes,
            cached=True,
            element_key="key-1",
            source_keys=("source-key",),
            causes=("gitlab/1#0",),
            announced_at=1700000001.25,
            cursor=update.cursor,
        )


async def test_projects_and_globs_choose_what_a_watch_gets(tmp_path: Path) -> None:
    before = [
        entry(1, "core/glib.bst"),
        entry(2, "core/deps/zlib.bst"),
        entry(3, "vm.bst"),
        entry(1, "core/x.bst", project="sdk"),
    ]
    async with gateway(tmp_path, *before) as lab:
        async with lab.client.watch(projects=["gnome"], elements=["core/*.bst"], start="oldest") as watch:
            await announce(lab.bus, entry(4, "core/gtk.bst"))
            assert [update.element for update in await take(watch, 2)] == ["core/glib.bst", "core/gtk.bst"]
        async with lab.client.watch(elements=["**.bst"], start="oldest") as watch:
            assert len(await take(watch, 5)) == 5


async def test_a_watch_that_nothing_matches_still_moves_its_cursor_on(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab, lab.client.watch(elements=["none.bst"]) as watch:
        waiting = asyncio.create_task(take(watch, 1, seconds=30))
        await until(lambda: watch.cursor is not None)
        start = watch.cursor
        await announce(lab.bus, entry(1))
        await until(lambda: watch.cursor != start)
        await announce(lab.bus, entry(2, "none.bst"))
        assert keys(await waiting) == ["key-2"]


async def test_a_cursor_before_what_is_kept_is_out_of_range_and_list_and_watch_leave_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookfetch.server.grpc.server.LogWindow", _small_window)
    log = [entry(number, f"e{number % 4}.bst") for number in range(1, 31)]
    async with gateway(tmp_path, *log[:20]) as lab:
        with pytest.raises(Compacted) as caught:
            await take(lab.client.watch(cursor="gnome/log-gnome:3"), 1)
        assert caught.value.oldest_cursor is not None
        async with lab.client.watch(cursor=caught.value.oldest_cursor) as watch:
            assert keys(await take(watch, 5)) == [f"key-{number}" for number in range(16, 21)]
        listing = await lab.client.list()
        assert sorted(keys(list(listing.updates)), key=str) == ["key-17", "key-18", "key-19", "key-20"]
        async with lab.client.watch(cursor=listing.cursor) as watch:
            await announce(lab.bus, *log[20:23])
            assert keys(await take(watch, 3)) == ["key-21", "key-22", "key-23"]


def _small_window(*codecs: object) -> LogWindow:
    return LogWindow(*codecs, max_entries=5)  # type: ignore[arg-type]  # the server's own functions


async def test_a_cursor_of_another_log_is_out_of_range(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1)) as lab:
        with pytest.raises(Compacted):
            await take(lab.client.watch(cursor="gnome/another:1"), 1)


async def test_a_log_that_is_begun_anew_ends_the_watch_of_the_old_one(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1)) as lab, lab.client.watch(start="oldest") as watch:
        await take(watch, 1)
        await announce(lab.bus, entry(1, log_id="another"))
        with pytest.raises(Compacted):
            await take(watch, 1)


async def test_a_project_that_is_not_served_is_not_found_and_its_entries_are_not_given(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path, entry(1, project="secret"), entry(1)) as lab:
        with pytest.raises(NotFound, match="secret"):
            await take(lab.client.watch(projects=["secret"]), 1)
        with pytest.raises(NotFound, match="secret"):
            await lab.client.list(projects=["gnome", "secret"])
        listing = await lab.client.list()
        assert [update.project for update in listing.updates] == ["gnome"]


async def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        with pytest.raises(InvalidRequest, match="cursor"):
            await take(lab.client.watch(cursor="nonsense"), 1)
        with pytest.raises(InvalidRequest, match=r"filter\.elements\[0\]"):
            await lab.client.list(elements=[""])
        async with grpc.aio.insecure_channel(lab.target) as channel:
            stub = refs_pb2_grpc.RefServiceStub(channel)
            for token in ("x", "bnVsbA==", "W10=", "WyJ4IiwgMSwgMl0=", "x" * 200_000):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await stub.List(refs_pb2.ListRequest(page_token=token))
                assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.List(refs_pb2.ListRequest(page_size=1001))
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_pages_hold_every_element_once_and_one_cursor_for_all(tmp_path: Path) -> None:
    before = [entry(number, f"e{number:03}.bst") for number in range(1, 251)]
    before += [entry(1, "z.bst", project="sdk"), entry(251, "e007.bst")]
    async with gateway(tmp_path, *before) as lab, grpc.aio.insecure_channel(lab.target) as channel:
        stub = refs_pb2_grpc.RefServiceStub(channel)
        pages = [await stub.List(refs_pb2.ListRequest(page_size=60))]
        await announce(lab.bus, entry(252, "e249.bst"))
        while pages[-1].next_page_token:
            request = refs_pb2.ListRequest(page_size=60, page_token=pages[-1].next_page_token)
            pages.append(await stub.List(request))
        names = [update.element for page in pages for update in page.updates]
        assert names == [f"e{number:03}.bst" for number in range(1, 251)] + ["z.bst"]
        assert len({page.cursor for page in pages}) == 1
        async with lab.client.watch(cursor=pages[0].cursor) as watch:
            assert keys(await take(watch, 1)) == ["key-252"]


async def test_a_page_is_bounded_in_bytes(tmp_path: Path) -> None:
    before = [entry(number, f"e{number}.bst", ref="x" * 900_000) for number in range(1, 6)]
    async with gateway(tmp_path, *before) as lab, grpc.aio.insecure_channel(lab.target) as channel:
        page = await refs_pb2_grpc.RefServiceStub(channel).List(refs_pb2.ListRequest())
        assert len(page.updates) == 2
        assert len((await lab.client.list()).updates) == 5


@pytest.mark.parametrize("seed", range(6))
async def test_watchers_that_lose_their_connection_at_random_miss_nothing_and_see_nothing_twice(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    logs = {
        project: [
            entry(number, rng.choice(["a.bst", "d/b.bst", "c.bst"]), project=project)
            for number in range(1, 121)
        ]
        for project in PROJECTS
    }
    async with gateway(tmp_path) as lab:
        everything = asyncio.create_task(_collect(lab.target, [], 240, random.Random(seed)))
        some = sum(item.element == "d/b.bst" for log in logs.values() for item in log)
        filtered = asyncio.create_task(_collect(lab.target, ["d/*"], some, random.Random(seed + 100)))
        sent = dict.fromkeys(PROJECTS, 0)
        while min(sent.values()) < 120:
            project = rng.choice([name for name in PROJECTS if sent[name] < 120])
            sent[project] += 1
            log = logs[project][: sent[project]]
            await announce(lab.bus, log[-1], *rng.choices(log, k=rng.randrange(3)))
            await asyncio.sleep(rng.random() * 0.004)
        got, got_filtered = await everything, await filtered
        for project, log in logs.items():
            expected = [item.element_key for item in log]
            assert keys([update for update in got if update.project == project]) == expected
            expected = [item.element_key for item in log if item.element == "d/b.bst"]
            assert keys([update for update in got_filtered if update.project == project]) == expected


async def _collect(target: str, elements: list[str], count: int, rng: random.Random) -> list[RefUpdate]:
    got: list[RefUpdate] = []
    cursor: str | None = ""  # before the first entry of every project
    async with asyncio.timeout(60):
        while len(got) < count:
            async with Client(target) as client, client.watch(cursor=cursor, elements=elements) as watch:
                for _ in range(rng.randrange(1, 20)):
                    try:
                        async with asyncio.timeout(0.3):
                            got.append(await anext(watch))
                    except TimeoutError:
                        break
                    if len(got) == count:
                        break
                cursor = got[-1].cursor if got and rng.random() < 0.5 else watch.cursor
    return got


async def test_a_watcher_that_does_not_read_costs_no_queue_and_is_told_when_its_place_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[LogWindow] = []

    def small(*codecs: object) -> LogWindow:
        encoded.append(LogWindow(*codecs, max_bytes=2_000_000))  # type: ignore[arg-type]  # the server's own
        return encoded[-1]

    monkeypatch.setattr("hookfetch.server.grpc.server.LogWindow", small)
    async with gateway(tmp_path) as lab, grpc.aio.insecure_channel(lab.target) as channel:
        call = refs_pb2_grpc.RefServiceStub(channel).Watch(
            refs_pb2.WatchRequest(origin=refs_pb2.ORIGIN_OLDEST)
        )
        assert (await anext(aiter(call))).WhichOneof("event") == "progress"
        big = "x" * 100_000
        for number in range(1, 301):  # 30 MB: far more than the window and what lies on the connection
            await announce(lab.bus, entry(number, ref=big))
        await until(lambda: encoded[0].last == 300)
        assert encoded[0]._bytes <= 2_000_000  # noqa: SLF001  what the claim is about
        seen, dropped = await _read_to_the_end(call)
        assert dropped.code() is grpc.StatusCode.OUT_OF_RANGE
        assert seen < 250
        status, reason = rpc_status.from_call(dropped), error_details_pb2.ErrorInfo()
        assert status is not None
        assert status.details[0].Unpack(reason)
        assert reason.reason == "CURSOR_COMPACTED"
        # From where it is told to it gets all that is kept, to the last.
        async with lab.client.watch(cursor=reason.metadata["oldest_cursor"]) as watch:
            kept = await take(watch, 1)
            first = int((kept[0].element_key or "").removeprefix("key-"))
            kept += await take(watch, 300 - first)
            assert keys(kept) == [f"key-{number}" for number in range(first, 301)]


async def _read_to_the_end(
    call: AsyncIterable[refs_pb2.WatchResponse],
) -> tuple[int, grpc.aio.AioRpcError]:
    """Return how many updates there were, and by what the stream ended."""
    seen = 0
    try:
        async for response in call:
            seen += response.WhichOneof("event") == "update"
    except grpc.aio.AioRpcError as error:
        return seen, error
    raise AssertionError("it ended without a reason")


async def test_a_watch_tells_of_progress_once_it_has_caught_up_and_then_while_it_is_quiet(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path, entry(1), entry(2)) as lab:
        async with grpc.aio.insecure_channel(lab.target) as channel:
            call = refs_pb2_grpc.RefServiceStub(channel).Watch(
                refs_pb2.WatchRequest(origin=refs_pb2.ORIGIN_OLDEST), timeout=20
            )
            told = aiter(call)
            events = [(await anext(told)).WhichOneof("event") for _ in range(4)]
        assert events == ["update", "update", "progress", "progress"]


async def test_two_hundred_watchers_have_an_update_within_a_second(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        watches = [lab.client.watch() for _ in range(200)]
        tasks = [asyncio.create_task(take(watch, 1, seconds=30)) for watch in watches]
        await until(lambda: all(watch.cursor is not None for watch in watches))
        before = time.perf_counter()
        await announce(lab.bus, entry(1))
        await asyncio.gather(*tasks)
        assert time.perf_counter() - before < 1.0
        for watch in watches:
            await watch.aclose()


def test_a_response_from_ready_bytes_is_the_same_message() -> None:
    for size in (0, 1, 127, 128, 20_000):
        message = update_message(entry(1, ref="x" * size))
        wire = message.SerializeToString()
        message.cursor = "c" * size
        expected = refs_pb2.WatchResponse(update=message).SerializeToString()
        assert watch_response(wire, "c" * size) == expected


async def test_a_listing_has_the_newest_change_of_each_source_until_it_is_superseded(tmp_path: Path) -> None:
    first, second, third = (entry(number, ref=f"ref-{number}") for number in (1, 2, 3))
    second = replace(second, changes=(replace(second.changes[0], index=1),))
    async with gateway(tmp_path, first, second, third) as lab:
        (update,) = (await lab.client.list()).updates
        assert [(change.index, change.ref) for change in update.changes] == [(0, "ref-3"), (1, "ref-2")]
        assert update.element_key == "key-3"
        gone = Settlement(index=0, kind="git_repo", url=None, announced="ref-3", committed="mine")
        superseded = RefSuperseded(
            log_id=third.log_id,
            number=4,
            project=third.project,
            element=third.element,
            causes=(),
            announced_at=third.announced_at,
            sources=(gone,),
            revision=None,
        )
        await announce(lab.bus, superseded)
        await until(lambda: lab.server._window.last == 4)  # noqa: SLF001 - what the gateway has read
        (update,) = (await lab.client.list()).updates
        assert [(change.index, change.ref) for change in update.changes] == [(1, "ref-2")]
        await announce(lab.bus, replace(superseded, number=5, sources=(replace(gone, index=1),)))
        await until(lambda: lab.server._window.last == 5)  # noqa: SLF001 - the same
        assert (await lab.client.list()).updates == ()
