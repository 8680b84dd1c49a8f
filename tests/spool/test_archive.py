"""What was relayed stays readable for its time, and gives way to what waits, whatever is killed."""

import asyncio
import errno
import os
import sys
import time
from pathlib import Path

import pytest

from hookfetch.core.kept import DeliveryRecord, Place
from hookfetch.spool import SegmentSpool
from hookfetch.spool.archive import STEP, Archive
from hookfetch.spool.book import DeliveryBook
from hookfetch.spool.retention import Retention
from hookfetch.spool.writer import SegmentWriter
from tests.spool.spooling import files, ids, incompressible, numbered

MEBIBYTE = 1024 * 1024


def archive_of(folder: Path) -> Archive:
    return Archive(folder / "bodies", folder / "spool")


async def relayed(folder: Path, *numbers: int, size: int = 1000) -> list[Place]:
    """Spool and finish a segment with these deliveries; return where they are."""
    async with SegmentSpool(folder / "spool", 16 * MEBIBYTE, archive_of(folder)) as spool:
        for number in numbers:
            await spool.append(incompressible(number, size))
        taken = await spool.take(len(numbers))
        places = [place for spooled in taken if (place := spool.place(spooled))]
        await spool.done(taken)
    return places


def kept(folder: Path) -> list[Path]:
    return files(folder / "bodies", "*.segment")


async def test_what_is_done_is_read_where_it_is_still_written_and_where_it_is_kept(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    async with SegmentSpool(tmp_path / "spool", MEBIBYTE, archive) as spool:
        await asyncio.gather(*(spool.append(numbered(number)) for number in range(20)))
        taken = await spool.take(20)
        places = [place for spooled in taken if (place := spool.place(spooled))]
        await spool.done(taken)
        assert not kept(tmp_path)
        assert [archive.read(place) for place in places] == [numbered(number) for number in range(20)]
    assert not files(tmp_path / "spool")
    assert [archive.read(place) for place in places] == [numbered(number) for number in range(20)]


async def test_what_is_kept_does_not_fill_the_spool(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path / "spool", 40_000, archive_of(tmp_path)) as spool:
        for number in range(100):
            await spool.append(incompressible(number, 1500))
            await spool.done(await spool.take(1))
        await spool.check()
    assert sum(path.stat().st_size for path in kept(tmp_path)) > 100 * 1500


@pytest.mark.parametrize("harm", ["cut", "flipped", "removed", "folder removed"])
async def test_a_damaged_or_removed_body_is_no_longer_kept_and_the_others_are(
    tmp_path: Path, harm: str
) -> None:
    [lost] = await relayed(tmp_path, 1)
    [other] = await relayed(tmp_path, 2)
    path = tmp_path / "bodies" / lost.segment
    archive = archive_of(tmp_path)
    if harm == "cut":
        os.truncate(path, path.stat().st_size - 1)
    elif harm == "flipped":
        data = bytearray(path.read_bytes())
        data[500] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()
    assert archive.read(lost) is None
    assert archive.read(other) is not None
    if harm == "folder removed":
        (tmp_path / "bodies" / other.segment).unlink()
        (tmp_path / "bodies").rmdir()
        assert archive.read(other) is None
        assert archive.shrink(0, time.time()) == 0
        [again] = await relayed(tmp_path, 3)
        assert archive.read(again) is not None


async def test_a_place_that_was_never_given_reads_nothing(tmp_path: Path) -> None:
    [place] = await relayed(tmp_path, 1)
    archive = archive_of(tmp_path)
    for wrong in (
        Place(segment=place.segment, offset=1, ordinal=0),
        Place(segment=place.segment, offset=10**9, ordinal=0),
        Place(segment=place.segment, offset=place.offset, ordinal=1),
        Place(segment="../spool/x", offset=0, ordinal=0),
    ):
        assert archive.read(wrong) is None


async def test_the_oldest_go_by_size_and_by_age(tmp_path: Path) -> None:
    for number in range(6):
        await relayed(tmp_path, number, size=10_000)
    archive, names = archive_of(tmp_path), [path.name for path in kept(tmp_path)]
    assert archive.shrink(archive.used_bytes() - 1, 0) == 1
    assert [path.name for path in kept(tmp_path)] == names[1:]
    old = time.time() - 1000
    os.utime(tmp_path / "bodies" / names[1], (old, old))
    assert archive.shrink(2**60, old + 1) == 1
    assert [path.name for path in kept(tmp_path)] == names[2:]
    assert archive.shrink(0, 0) == 4
    assert archive.shrink(0, 0) == 0


def test_one_step_deletes_a_bounded_number(tmp_path: Path) -> None:
    (tmp_path / "bodies").mkdir()
    for number in range(STEP + 5):
        (tmp_path / "bodies" / f"{number:020}-1-a.segment").write_bytes(b"x")
    archive = archive_of(tmp_path)
    assert [archive.shrink(0, 0), archive.shrink(0, 0)] == [STEP, 5]


async def test_a_full_disk_takes_from_what_is_kept_and_never_from_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await relayed(tmp_path, number, size=10_000)
    commit = SegmentWriter.commit

    def full_while_anything_is_kept(self: SegmentWriter, *arguments: object) -> object:
        if kept(tmp_path):
            self.abandon()
            raise OSError(errno.ENOSPC, "No space left on device")
        return commit(self, *arguments)  # type: ignore[arg-type]  # passed on as it came

    async with SegmentSpool(tmp_path / "spool", MEBIBYTE, archive_of(tmp_path)) as spool:
        await spool.append(numbered(7))
        monkeypatch.setattr(SegmentWriter, "commit", full_while_anything_is_kept)
        await spool.append(numbered(8))
        await spool.append(numbered(9))
        assert ids(await spool.take(9)) == ["hook/7", "hook/8", "hook/9"]
    assert not kept(tmp_path)


async def test_retention_ends_an_old_segment_that_is_done_and_keeps_one_that_waits(tmp_path: Path) -> None:
    archive, book = archive_of(tmp_path), DeliveryBook(tmp_path / "book.sqlite")
    await book.open()
    async with SegmentSpool(tmp_path / "spool", MEBIBYTE, archive) as spool:
        await spool.append(numbered(1))
        await spool.done(await spool.take(1))
        retention = Retention([spool], archive, book, keep_days=1e-9, keep_bytes=2**40)
        await retention.look()
        assert not kept(tmp_path)
        assert not files(tmp_path / "spool", "*.segment")
        await spool.append(numbered(2))
        taken = await spool.take(1)
        await retention.look()
        assert len(files(tmp_path / "spool", "*.segment")) == 1
        await spool.append(numbered(3))
        assert ids(taken + await spool.take(1)) == ["hook/2", "hook/3"]
    await book.close()


async def test_retention_forgets_old_records_also_where_no_delivery_is_kept_on_disk(tmp_path: Path) -> None:
    book = DeliveryBook(tmp_path / "book.sqlite")
    await book.open()
    async with SegmentSpool(tmp_path / "spool", MEBIBYTE, archive_of(tmp_path)) as spool:
        await spool.append(numbered(1))
        [taken] = await spool.take(1)
    delivery = taken.delivery
    record = DeliveryRecord(
        id=delivery.id,
        hook=delivery.hook,
        received_at=delivery.received_at,
        relayed_at=delivery.received_at,
        bytes=len(delivery.body),
        outcome="relayed",
    )
    await book.note([record])
    assert await book.find(delivery.id) == record
    retention = Retention([], archive_of(tmp_path), book, keep_days=1e-9, keep_bytes=2**40)
    await retention.look()
    assert await book.find(delivery.id) is None
    await book.close()


_SHRINK_FOREVER = """
import sys, time
from pathlib import Path
from hookfetch.spool.archive import Archive
folder = Path(sys.argv[1])
print("ready", flush=True)
archive = Archive(folder / "bodies", folder / "spool")
while True:
    archive.shrink(0, time.time())
"""


async def test_killed_while_it_deletes_the_rest_is_whole_and_deleted_next_time(tmp_path: Path) -> None:
    (tmp_path / "bodies").mkdir()
    for number in range(3000):
        (tmp_path / "bodies" / f"{number:020}-1-a.segment").write_bytes(b"x")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SHRINK_FOREVER, tmp_path, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"ready\n"
            while len(kept(tmp_path)) == 3000:
                await asyncio.sleep(0.001)
    finally:
        process.kill()
        await process.communicate()
    left = kept(tmp_path)
    assert [path.name for path in left] == [f"{n:020}-1-a.segment" for n in range(3000 - len(left), 3000)]
    [place] = await relayed(tmp_path, 1)
    assert archive_of(tmp_path).read(place) is not None
