"""Whether a delivery could be stored is asked of a real disk, full or read-only."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.server.ingress import Ingress
from hookfetch.spool import SegmentSpool
from tests.server.door.wire import SLOWEST, Connect, ask, serving

READY = b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("NOT RUN, no right to mount a small tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_a_full_disk_is_not_ready_and_ready_again_when_there_is_room(small_disk: Path) -> None:
    async with (
        SegmentSpool(small_disk / "spool", 10_000_000) as spool,
        serving(Ingress({}, spool, lambda: 0.0, 1000)) as connect,
    ):
        assert b" 200 " in await ask(connect, READY)
        fill(small_disk / "filler")
        await until(connect, b" 503 ")
        (small_disk / "filler").unlink()
        await until(connect, b" 200 ")


def fill(path: Path) -> None:
    while shutil.disk_usage(path.parent).free:
        with path.open("ab", buffering=0) as file:
            file.write(bytes(4096))


async def until(connect: Connect, status: bytes) -> None:
    async with asyncio.timeout(SLOWEST):
        while status not in await ask(connect, READY):
            await asyncio.sleep(0.05)


async def test_a_disk_that_cannot_be_written_is_not_ready(small_disk: Path) -> None:
    async with (
        SegmentSpool(small_disk / "spool", 10_000_000) as spool,
        serving(Ingress({}, spool, lambda: 0.0, 1000)) as connect,
    ):
        remount(small_disk, "ro")
        await until(connect, b" 503 ")
        remount(small_disk, "rw")
        await until(connect, b" 200 ")


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)
