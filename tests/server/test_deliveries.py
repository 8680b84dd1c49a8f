"""An ingress tells what became of its deliveries, and sends them again, wherever it is killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Busy, Permanent, Temporary
from hookfetch.core.kept import FACTS_MOST, DeliveryFilter, DeliveryRecord, ToldFact
from hookfetch.server import relay as relay_module
from hookfetch.server.deliveries import Deliveries, shown_headers
from hookfetch.server.relay import Relay
from hookfetch.spool import SegmentSpool
from hookfetch.spool.archive import Archive
from hookfetch.spool.book import DeliveryBook
from tests.server.test_relay import LineForge, RecordingBus, delivery, is_empty, until

ANY = DeliveryFilter()
SPOOL_BYTES = 64 * 1024 * 1024


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(relay_module, "MOST_PAUSE", 0.05)


@dataclass(frozen=True)
class Ingress:
    spool: SegmentSpool
    book: DeliveryBook
    relay: Relay
    deliveries: Deliveries


@asynccontextmanager
async def ingress(folder: Path, bus: RecordingBus, *, hook: str = "lines") -> AsyncIterator[Ingress]:
    archive = Archive(folder / "bodies", folder / "spool")
    book = DeliveryBook(folder / "book.sqlite")
    async with SegmentSpool(folder / "spool", SPOOL_BYTES, archive) as spool:
        await book.open()
        relay = Relay(spool, {hook: LineForge()}, bus, book=book, place=spool.place)  # type: ignore[arg-type]  # what a relay uses of a bus
        await relay.start()
        try:
            yield Ingress(spool, book, relay, Deliveries([spool], archive, book, [relay]))
        finally:
            await relay.stop()
            await book.close()


async def ended(own: Ingress, delivery_id: str) -> DeliveryRecord:
    async with asyncio.timeout(20):
        while (record := await own.book.find(delivery_id)) is None:
            await asyncio.sleep(0.005)
        return record


async def test_each_delivery_says_what_it_became(tmp_path: Path) -> None:
    async with ingress(tmp_path, RecordingBus()) as own:
        for number, body in enumerate(["h/a main", "ping", "unknown", "h/a main\n" * FACTS_MOST + "h/b dev"]):
            await own.spool.append(replace(delivery(str(number), body), received_at=float(number)))
        await ended(own, "lines/3")
        await ended(own, "lines/2")
        many, unknown, ping, push = await own.deliveries.list(ANY, 10)
    fact = ToldFact(id="lines/0#0", type="branch_pushed", repositories=("h/a",), ref="refs/heads/main")
    assert (push.outcome, push.reason, push.facts, push.bytes) == ("relayed", None, (fact,), 8)
    assert (ping.outcome, ping.reason) == ("nothing", "the forge only tried the hook")
    assert (unknown.outcome, unknown.reason) == ("dead", "forge: has no known form")
    assert (len(many.facts), many.fact_count) == (FACTS_MOST, FACTS_MOST + 1)


async def test_what_waits_says_why_and_is_listed_with_what_is_done(tmp_path: Path) -> None:
    bus = RecordingBus()
    async with ingress(tmp_path, bus) as own:
        await own.spool.append(delivery("done", "h/a main"))
        await ended(own, "lines/done")
        count = relay_module.WINDOW + 10
        bus.errors = {f"lines/{number}#0": [Temporary("no broker")] * 1000 for number in range(count)}
        for number in range(count):
            await own.spool.append(replace(delivery(str(number), "h/a main"), received_at=2.0 + number))
        await until(lambda: own.relay.waits_for)
        listed = await own.deliveries.list(ANY, 1000)
        assert [each.id for each in listed] == [
            *(f"lines/{number}" for number in range(count - 1, -1, -1)),
            "lines/done",
        ]
        assert {(each.outcome, each.reason) for each in listed[:-1]} == {("waiting", "no broker")}
        found = await own.deliveries.find(f"lines/{count - 1}")
        assert found is not None
        assert (found.record.outcome, found.body) == ("waiting", b"h/a main")
        newest = await own.deliveries.list(ANY, 3)
        page = await own.deliveries.list(ANY, 3, (newest[-1].received_at, newest[-1].id))
        assert [each.id for each in newest + page] == [f"lines/{count - 1 - back}" for back in range(6)]
        with pytest.raises(Permanent, match="no delivery of this id was relayed"):
            await own.deliveries.replay("lines/0")
        bus.errors = {}
        await ended(own, f"lines/{count - 1}")
        assert own.relay.waits_for is None


async def test_a_replay_goes_the_whole_way_again_under_an_id_of_its_own(tmp_path: Path) -> None:
    bus = RecordingBus()
    async with ingress(tmp_path, bus) as own:
        await own.spool.append(delivery("1", "h/a main"))
        await ended(own, "lines/1")
    async with ingress(tmp_path, bus) as own:
        first = await own.deliveries.replay("lines/1")
        await ended(own, first)
        assert await own.deliveries.replay(first) == "lines/1~2"
        await ended(own, "lines/1~2")
    assert bus.facts == ["lines/1#0", "lines/1~1#0", "lines/1~2#0"]


async def test_each_reception_of_an_id_is_told_also_while_it_waits(tmp_path: Path) -> None:
    bus = RecordingBus()
    async with ingress(tmp_path, bus) as own:
        for number, at in enumerate((1.0, 61.0)):
            await own.spool.append(replace(delivery("1", "h/a main"), received_at=at))
            await until(lambda count=number + 1: len(bus.facts) == count)  # type: ignore[misc]  # mypy: lambda default
            await ended(own, "lines/1")
        await own.spool.append(delivery("other", "h/a main"))
        bus.errors = {"lines/1#0": [Temporary("no broker")] * 1000}
        await own.spool.append(replace(delivery("1", "h/a main"), received_at=3601.0))
        await until(lambda: own.relay.waits_for)
        async with asyncio.timeout(20):
            while len(told := await own.deliveries.receptions(["lines/1", "lines/9"], 10)) < 3:
                await asyncio.sleep(0.005)
        assert [(each.received_at, each.outcome, each.redelivery) for each in told] == [
            (1.0, "relayed", False),
            (61.0, "relayed", True),
            (3601.0, "waiting", False),
        ]
        newest = await own.deliveries.receptions(["lines/1"], 2)
        assert [each.received_at for each in newest] == [61.0, 3601.0]
        bus.errors = {}
        await until(lambda: bus.facts.count("lines/1#0") == 3)


async def test_a_delivery_that_died_is_replayed_by_the_parser_of_today(tmp_path: Path) -> None:
    bus = RecordingBus()
    async with ingress(tmp_path, bus, hook="other") as own:
        await own.spool.append(delivery("1", "h/a main"))
        assert (await ended(own, "lines/1")).outcome == "dead"
    async with ingress(tmp_path, bus) as own:
        assert (await ended(own, await own.deliveries.replay("lines/1"))).outcome == "relayed"
    assert bus.facts == ["lines/1~1#0"]


async def test_what_is_unknown_or_no_longer_kept_is_not_replayed(tmp_path: Path) -> None:
    async with ingress(tmp_path, RecordingBus()) as own:
        await own.spool.append(delivery("1", "h/a main"))
        await ended(own, "lines/1")
    for path in (tmp_path / "bodies").iterdir():
        path.unlink()
    async with ingress(tmp_path, RecordingBus()) as own:
        with pytest.raises(Permanent, match="no delivery of this id"):
            await own.deliveries.replay("lines/2")
        with pytest.raises(Permanent, match="no longer kept"):
            await own.deliveries.replay("lines/1")
        found = await own.deliveries.find("lines/1")
        assert found is not None
        assert (found.headers, found.body) == (None, None)


async def test_a_replay_that_does_not_fit_says_so_and_another_number_is_taken_next(tmp_path: Path) -> None:
    bus = RecordingBus()
    async with ingress(tmp_path, bus) as own:
        await own.spool.append(delivery("1", "h/a main"))
        await ended(own, "lines/1")
        append = own.spool.append

        async def full(_: Delivery) -> None:
            raise Busy("the spool is full")

        own.spool.append = full  # type: ignore[method-assign]  # a disk that is full at the right moment
        with pytest.raises(Busy):
            await own.deliveries.replay("lines/1")
        own.spool.append = append  # type: ignore[method-assign]  # and no longer
        assert await own.deliveries.replay("lines/1") == "lines/1~2"
        await ended(own, "lines/1~2")


def test_headers_that_prove_who_sent_it_are_not_shown() -> None:
    secrets = ("authorization", "x-hub-signature-256", "x-gitlab-token", "x-gitea-signature", "cookie")
    shown = dict(shown_headers({**dict.fromkeys(secrets, "s3cr3t"), "x-github-event": "push"}))
    assert shown == {**dict.fromkeys(secrets, "(hidden)"), "x-github-event": "push"}


class BrokenBook:
    """Stands in for a book whose file went bad under it."""

    async def note(self, records: Sequence[DeliveryRecord]) -> None:
        raise Temporary("disk I/O error")


async def test_a_book_that_fails_holds_up_no_delivery(tmp_path: Path) -> None:
    bus = RecordingBus()
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        relay = Relay(spool, {"lines": LineForge()}, bus, book=BrokenBook(), place=spool.place)  # type: ignore[arg-type]  # what a relay uses of a bus
        await relay.start()
        for number in range(3 * relay_module.WINDOW):
            await spool.append(delivery(str(number), "h/a main"))
        await until(lambda: len(bus.facts) == 3 * relay_module.WINDOW)
        await relay.stop()
    assert is_empty(tmp_path)


_INGRESS = """
import asyncio, sys, os
from pathlib import Path
from hookfetch.spool import SegmentSpool
from tests.server.test_deliveries import ingress
from tests.server.test_relay import RecordingBus, delivery

async def main():
    folder, where = Path(sys.argv[1]), sys.argv[2]
    facts = open(folder / "facts", "a", buffering=1)

    class Bus(RecordingBus):
        async def publish_fact(self, keys, message):
            facts.write(message.id + "\\n")

    async with ingress(folder, Bus()) as own:
        async def halt(*_):
            print("there", flush=True)
            await asyncio.Event().wait()
        if where == "before the note":
            own.book.note = halt
        elif where == "between note and done":
            own.spool.done = halt
        for number in range(5):
            await own.spool.append(delivery(str(number), "h/a main"))
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("where", ["before the note", "between note and done"])
async def test_killed_around_the_note_every_delivery_has_one_record(tmp_path: Path, where: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _INGRESS,
        str(tmp_path),
        where,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while (line := await process.stdout.readline()) != b"there\n":
                assert line, "it ended by itself"  # any other line is its log
            # All five were accepted before the kill, since the relay has them.
            while len((tmp_path / "facts").read_text().split()) < 5:
                await asyncio.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    bus = RecordingBus()
    async with ingress(tmp_path, bus) as own:
        await until(lambda: len(set(bus.facts)) == 5)
        for number in range(5):
            assert (await ended(own, f"lines/{number}")).outcome == "relayed"
        records = await own.deliveries.list(ANY, 100)
        assert sorted(each.id for each in records) == [f"lines/{number}" for number in range(5)]
        assert not any(each.redelivery for each in records)
        found = [await own.deliveries.find(each.id) for each in records]
        assert all(each is not None and each.body == b"h/a main" for each in found)
