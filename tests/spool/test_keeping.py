"""What waited on the broker is kept here for a while, so that it can be sent again; it holds up nothing."""

import asyncio
import errno
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Permanent
from hookfetch.core.kept import DeliveryFilter, DeliveryRecord
from hookfetch.core.ports import Spooled
from hookfetch.server.deliveries import Deliveries
from hookfetch.server.relay import Relay
from hookfetch.spool import writer
from hookfetch.spool.archive import Archive
from hookfetch.spool.book import DeliveryBook
from hookfetch.spool.keeping import KeepingSpool
from hookfetch.spool.retention import Retention
from tests.server.test_relay import LineForge, RecordingBus
from tests.spool.spooling import ids, incompressible, numbered
from tests.spool.test_broker_spool import empty, spool_on


class Faraway:
    """A spool somewhere else: a list."""

    def __init__(self, *deliveries: Delivery) -> None:
        self.here = asyncio.Event()
        self.left = list(enumerate(deliveries))
        self.gone: list[str] = []

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> None: ...

    async def append(self, delivery: Delivery) -> None:
        self.left.append((len(self.left) + 1000, delivery))
        self.here.set()

    async def take(self, limit: int) -> list[Spooled]:
        while not self.left:
            self.here.clear()
            await self.here.wait()
        taken, self.left = self.left[:limit], self.left[limit:]
        return [Spooled(position=(1, number), delivery=delivery) for number, delivery in taken]

    async def done(self, taken: Sequence[Spooled]) -> None:
        self.gone += ids(list(taken))


def archive_in(folder: Path) -> Archive:
    return Archive(folder / "bodies", folder / "spool")


async def take(spool: KeepingSpool, limit: int = 9) -> list[Spooled]:
    async with asyncio.timeout(20):
        return await spool.take(limit)


async def test_each_body_is_found_where_its_place_says(tmp_path: Path) -> None:
    deliveries = [numbered(number, size=2000) for number in range(20)]
    async with KeepingSpool(Faraway(*deliveries), archive_in(tmp_path), 3000) as spool:
        for _ in range(4):
            taken = await take(spool, 5)
            for spooled in taken:
                place = spool.place(spooled)
                assert place is not None
                assert archive_in(tmp_path).read(place) == spooled.delivery
            await spool.done(taken)
            assert [spool.place(spooled) for spooled in taken] == [None] * 5


async def test_a_take_that_is_cancelled_has_taken_nothing(tmp_path: Path) -> None:
    faraway = Faraway(numbered(1), numbered(2))
    async with KeepingSpool(faraway, archive_in(tmp_path), 3000) as spool:
        first = asyncio.create_task(spool.take(9))
        while faraway.left:
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        assert ids(await take(spool)) == ["hook/1", "hook/2"]


async def test_a_disk_that_refuses_costs_the_replay_and_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, data: bytes) -> None:
        raise OSError(errno.EIO, "Input/output error")

    faraway = Faraway(*(numbered(number) for number in range(3)))
    async with KeepingSpool(faraway, archive_in(tmp_path), 3000) as spool:
        with monkeypatch.context() as broken:
            broken.setattr(writer, "_write_all", refuse)
            [first] = await take(spool, 1)
            assert spool.place(first) is None
        [second] = await take(spool, 1)
        assert spool.place(second) is not None


async def test_on_a_full_disk_older_bodies_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faraway = Faraway(*(incompressible(number, 5000) for number in range(3)))
    async with KeepingSpool(faraway, archive_in(tmp_path), 1) as spool:
        [old] = await take(spool, 1)
        oldest = spool.place(old)
        write = writer._write_all  # noqa: SLF001 - where the disk is full
        full = [OSError(errno.ENOSPC, "No space left on device")]

        def write_or_fail(fd: int, data: bytes) -> None:
            if full:
                raise full.pop()
            write(fd, data)

        monkeypatch.setattr(writer, "_write_all", write_or_fail)
        [new] = await take(spool, 1)
        newest = spool.place(new)
        assert oldest is not None
        assert newest is not None
        assert archive_in(tmp_path).read(newest) == new.delivery
        assert archive_in(tmp_path).read(oldest) is None


async def test_a_folder_that_is_deleted_under_it_is_made_again(tmp_path: Path) -> None:
    faraway = Faraway(numbered(1), numbered(2))
    async with KeepingSpool(faraway, archive_in(tmp_path), 3000) as spool:
        await take(spool, 1)
        shutil.rmtree(tmp_path / "bodies")
        [second] = await take(spool, 1)
        place = spool.place(second)
        assert place is not None
        assert archive_in(tmp_path).read(place) == second.delivery


async def test_bodies_are_forgotten_by_age_and_size_like_any_others(tmp_path: Path) -> None:
    book = DeliveryBook(tmp_path / "book.sqlite")
    await book.open()
    faraway = Faraway(*(incompressible(number, 100_000) for number in range(10)))
    async with KeepingSpool(faraway, archive_in(tmp_path), 50_000) as spool:
        archive = archive_in(tmp_path)
        for _ in range(10):
            await spool.done(await take(spool, 1))
        bounded = Retention([spool], archive, book, keep_days=1, keep_bytes=350_000)
        await bounded.look()
        assert 0 < archive.used_bytes() <= 350_000
        future = time.time() + 2 * 86400
        await Retention([spool], archive, book, keep_days=1, keep_bytes=2**40, clock=lambda: future).look()
        assert archive.used_bytes() == 0
        # A segment that was not full ended with it: what comes now is not written into the void.
        await spool.append(numbered(77))
        [taken] = await take(spool)
        place = spool.place(taken)
        assert place is not None
        assert archive.read(place) == taken.delivery
    await book.close()


@asynccontextmanager
async def pod(url: str, folder: Path, bus: RecordingBus) -> AsyncIterator[Deliveries]:
    """An ingress whose deliveries wait on the broker."""
    archive, book = archive_in(folder), DeliveryBook(folder / "book.sqlite")
    async with KeepingSpool(spool_on(url), archive, 2**24) as spool:
        await book.open()
        relay = Relay(spool, {"lines": LineForge()}, bus, book=book, place=spool.place)  # type: ignore[arg-type]  # what a relay uses of a bus
        await relay.start()
        deliveries = Deliveries([spool], archive, book, [relay])
        try:
            yield deliveries
        finally:
            await relay.stop()
            await book.close()


async def relayed(deliveries: Deliveries, delivery_id: str) -> DeliveryRecord:
    async with asyncio.timeout(30):
        while True:
            for record in await deliveries.list(DeliveryFilter(), 100):
                if record.id == delivery_id and record.outcome == "relayed":
                    return record
            await asyncio.sleep(0.01)


@pytest.mark.broker
async def test_what_the_broker_kept_is_replayed_while_the_disk_that_relayed_it_lasts(
    tmp_path: Path, amqp_url: str
) -> None:
    await empty(amqp_url)
    bus = RecordingBus()
    door = spool_on(amqp_url)  # of another pod, which only accepts
    await door.open()
    await door.append(replace(numbered(1), id="lines/1", hook="lines", body=b"h/a main"))
    await door.close()
    async with pod(amqp_url, tmp_path, bus) as deliveries:
        assert (await relayed(deliveries, "lines/1")).place is not None
    async with pod(amqp_url, tmp_path, bus) as deliveries:
        again = await deliveries.replay("lines/1")
        assert again == "lines/1~1"
        await relayed(deliveries, again)
    assert bus.facts == ["lines/1#0", "lines/1~1#0"]
    shutil.rmtree(tmp_path / "bodies")
    async with pod(amqp_url, tmp_path, bus) as deliveries:
        with pytest.raises(Permanent, match="no longer kept: have the forge send it again"):
            await deliveries.replay("lines/1")
    async with pod(amqp_url, tmp_path / "fresh", bus) as deliveries:
        with pytest.raises(Permanent, match="no delivery of this id"):
            await deliveries.replay("lines/1")


@pytest.mark.broker
async def test_a_dead_delivery_that_came_back_over_the_broker_can_be_replayed_too(
    tmp_path: Path, amqp_url: str
) -> None:
    await empty(amqp_url)
    bus = RecordingBus()
    other = RabbitBus(amqp_url, confirm_timeout=5.0)
    await other.start()
    async with pod(amqp_url, tmp_path, bus) as deliveries:
        dead = replace(numbered(1), id="lines/dead", hook="lines", body=b"unknown")
        door = spool_on(amqp_url)
        await door.open()
        await door.append(dead)
        await door.close()
        async with asyncio.timeout(30):
            while not bus.letters:
                await asyncio.sleep(0.01)
        await other.revive(replace(bus.letters[0]))
        async with asyncio.timeout(30):
            while len(bus.letters) < 2:
                await asyncio.sleep(0.01)
            while (await deliveries.find("lines/dead")) is None:
                await asyncio.sleep(0.01)
        found = await deliveries.find("lines/dead")
        assert found is not None
        assert found.body == b"unknown"
    await other.close()
