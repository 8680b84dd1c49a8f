"""Torn tails, damaged records and failing disks: what was accepted is given or set aside, never lost."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hookfetch.core.errors import Busy
from hookfetch.spool import SegmentSpool
from hookfetch.spool.record import HEADER_BYTES, encode_delivery, frame, pack
from hookfetch.spool.writer import SegmentWriter
from tests.spool.spooling import files, ids, numbered, segments

MEBIBYTE = 1024 * 1024
SIZE = len(frame(encode_delivery(numbered(1))))


async def spooled(directory: Path, count: int) -> Path:
    """Fill a spool, close it, and return its one segment."""
    async with SegmentSpool(directory, MEBIBYTE) as spool:
        for number in range(1, count + 1):
            await spool.append(numbered(number))
    [segment] = segments(directory)
    return segment


async def reopened(directory: Path) -> list[str]:
    async with SegmentSpool(directory, MEBIBYTE) as spool:
        await spool.append(numbered(99))
        found: list[str] = []
        while "hook/99" not in found:
            found += ids(await spool.take(100))
        return found


async def test_a_tail_torn_at_any_byte_is_cut_off_and_the_rest_given(tmp_path: Path) -> None:
    source = await spooled(tmp_path / "source", 3)
    data = source.read_bytes()
    for cut in range(len(data) + 1):
        directory = tmp_path / str(cut)
        directory.mkdir()
        (directory / source.name).write_bytes(data[:cut])
        whole = [f"hook/{number}" for number in range(1, 4) if number * SIZE <= cut]
        assert await reopened(directory) == [*whole, "hook/99"]
        assert not files(directory, "*.damaged")


async def test_a_tail_of_zeros_is_cut_off(tmp_path: Path) -> None:
    segment = await spooled(tmp_path, 2)
    with segment.open("ab") as file:
        file.write(bytes(4096))
    assert await reopened(tmp_path) == ["hook/1", "hook/2", "hook/99"]
    assert not files(tmp_path, "*.damaged")


@pytest.mark.parametrize("place", [0, 4, 9, 13, HEADER_BYTES, SIZE - 1])
async def test_a_damaged_record_is_set_aside_and_the_next_is_given(tmp_path: Path, place: int) -> None:
    segment = await spooled(tmp_path, 3)
    data = bytearray(segment.read_bytes())
    data[SIZE + place] ^= 0xFF
    segment.write_bytes(data)
    assert await reopened(tmp_path) == ["hook/1", "hook/3", "hook/99"]
    [aside] = files(tmp_path, "*.damaged")
    assert aside.read_bytes() == data[SIZE : 2 * SIZE]


async def test_a_last_record_that_is_complete_but_wrong_is_set_aside(tmp_path: Path) -> None:
    segment = await spooled(tmp_path, 2)
    data = bytearray(segment.read_bytes())
    data[-1] ^= 0xFF
    segment.write_bytes(data)
    assert await reopened(tmp_path) == ["hook/1", "hook/99"]
    [aside] = files(tmp_path, "*.damaged")
    assert aside.read_bytes() == data[SIZE:]


async def test_a_damaged_record_is_set_aside_once(tmp_path: Path) -> None:
    segment = await spooled(tmp_path, 2)
    data = bytearray(segment.read_bytes())
    data[HEADER_BYTES] ^= 0xFF
    segment.write_bytes(data)
    assert await reopened(tmp_path) == ["hook/2", "hook/99"]
    assert await reopened(tmp_path) == ["hook/2", "hook/99", "hook/99"]
    assert len(files(tmp_path, "*.damaged")) == 1


async def test_progress_that_is_torn_only_brings_deliveries_back(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        for number in (1, 2):
            await spool.append(numbered(number))
        await spool.done(await spool.take(1))
    [progress] = files(tmp_path, "*.done")
    progress.write_bytes(progress.read_bytes()[:-2])
    assert await reopened(tmp_path) == ["hook/1", "hook/2", "hook/99"]


async def test_a_segment_that_somebody_deleted_holds_up_no_other(tmp_path: Path) -> None:
    await spooled(tmp_path, 1)
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        segments(tmp_path)[0].unlink()
        await spool.append(numbered(2))
        assert ids(await spool.take(5)) == ["hook/2"]


async def test_litter_of_a_crash_goes_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "1-1-aa.segment.done").write_bytes(b"")
    old, new = tmp_path / "1-1-aa.unfinished", tmp_path / "1-1-bb.unfinished"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    async with SegmentSpool(tmp_path, MEBIBYTE):
        assert files(tmp_path) == [new]


def writer(directory: Path, **options: object) -> SegmentWriter:
    fd = os.open(directory, os.O_RDONLY)
    return SegmentWriter(directory, fd, segment_bytes=MEBIBYTE, newest=0, **options)  # type: ignore[arg-type]  # one option


def test_after_a_failed_fsync_the_group_is_cut_off_and_the_segment_left_behind(tmp_path: Path) -> None:
    fail = [False, True, False]

    def sync(fd: int) -> None:  # stands in for a disk that fails, which cannot be had here
        os.fsync(fd)
        if fail.pop(0):
            raise OSError(5, "Input/output error")

    spool_writer = writer(tmp_path, sync=sync)
    first = spool_writer.commit([pack(numbered(1))], MEBIBYTE)
    with pytest.raises(OSError, match="Input/output"):
        spool_writer.commit([pack(numbered(2))], MEBIBYTE)
    third = spool_writer.commit([pack(numbered(3))], MEBIBYTE)
    spool_writer.close()
    assert first is not None
    assert third is not None
    assert third.path != first.path
    assert first.path.stat().st_size == first.end == SIZE


def test_a_segment_whose_first_group_failed_is_gone(tmp_path: Path) -> None:
    def sync(_: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        writer(tmp_path, sync=sync).commit([pack(numbered(1))], MEBIBYTE)
    assert segments(tmp_path) == []


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.spool.spooling import numbered
from hookfetch.spool import SegmentSpool

async def sender(spool, numbers):
    for number in numbers:
        await spool.append(numbered(number, 3000))
        sys.stdout.write(f"hook/{number}\\n")
        sys.stdout.flush()

async def main():
    async with SegmentSpool(Path(sys.argv[1]), 2**30) as spool:
        await asyncio.gather(*(sender(spool, range(n, 10**6, 16)) for n in range(16)))

asyncio.run(main())
"""


def child(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


async def everything(directory: Path) -> list[str]:
    async with SegmentSpool(directory, 2**30) as spool:
        await spool.append(numbered(10**7))
        found: list[str] = []
        while f"hook/{10**7}" not in found:
            found += ids(await spool.take(1000))
        return found


@pytest.mark.parametrize("acknowledged", [1, 50, 400, 1500])
async def test_killed_in_the_middle_every_acknowledged_append_is_there(
    tmp_path: Path, acknowledged: int
) -> None:
    process = child(tmp_path)
    assert process.stdout is not None
    try:
        seen = [process.stdout.readline().strip() for _ in range(acknowledged)]
    finally:
        process.send_signal(signal.SIGKILL)
        seen += process.stdout.read().split("\n")[:-1]  # what it said before it died; a torn line is no word
        process.wait(10)
    found = await everything(tmp_path)
    assert set(seen) <= set(found)
    assert len(found) == len(set(found))
    assert not files(tmp_path, "*.damaged")


async def test_a_file_that_cannot_grow_refuses_and_loses_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with SegmentSpool(tmp_path, MEBIBYTE) as spool:
        await spool.append(numbered(1))
        # Past this size the kernel writes a part and then nothing, as a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE + 30, hard))
        try:
            with pytest.raises(Busy, match="disk"):
                await spool.append(numbered(2))
            with pytest.raises(Busy, match="disk"):
                await spool.check()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert segments(tmp_path)[0].stat().st_size == SIZE
        await spool.append(numbered(3))
        assert ids(await spool.take(9)) == ["hook/1", "hook/3"]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                await spool.check()
                break
            except Busy:
                await asyncio.sleep(0.1)
        else:
            pytest.fail("the spool stayed unready on a good disk")
    assert await everything(tmp_path) == ["hook/1", "hook/3", f"hook/{10**7}"]
