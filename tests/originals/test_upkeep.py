"""Upkeep looks by itself, beside everything else, and ends when it is told to."""

import asyncio
import errno
import time
from pathlib import Path

import pytest

from hookfetch.originals import expiry
from hookfetch.originals import upkeep as upkeep_module
from hookfetch.originals.folder import Folder, Original
from hookfetch.originals.upkeep import Upkeep


async def test_upkeep_gives_up_what_is_too_much_and_removes_what_others_left(tmp_path: Path) -> None:
    folder = Folder.of(tmp_path)
    original = folder.shared("files", "https://example.org/a")
    left = folder.away()
    left.mkdir(parents=True)
    upkeep = Upkeep(tmp_path, quota=0, interval=0.01)
    await upkeep.start()
    try:
        await _gone(left)
        _make(folder, original)
        await _gone(original.directory)
    finally:
        began = time.monotonic()
        await upkeep.stop()
    assert time.monotonic() - began < 5.0
    _make(folder, original)
    assert original.content.is_dir()


async def test_upkeep_goes_on_after_what_it_cannot_delete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder.of(tmp_path)
    original = folder.shared("files", "https://example.org/a")
    _make(folder, original)
    looks: list[int] = []

    def expire_the_second_time(state_dir: Path, quota: int) -> expiry.Expired:
        looks.append(quota)
        if len(looks) == 1:
            raise PermissionError(errno.EACCES, "not ours", str(state_dir))
        return expiry.expire(state_dir, quota)

    monkeypatch.setattr(upkeep_module, "expire", expire_the_second_time)
    upkeep = Upkeep(tmp_path, quota=0, interval=0.01)
    await upkeep.start()
    try:
        await _gone(original.directory)
    finally:
        await upkeep.stop()
    assert len(looks) > 1


def _make(folder: Folder, original: Original) -> None:
    def fill(path: Path) -> None:
        path.mkdir()
        (path / "data").write_bytes(b"x" * 4096)

    folder.make(original, "files", "https://example.org/a", fill)


async def _gone(path: Path) -> None:
    async with asyncio.timeout(30):
        while _is_there(path):
            await asyncio.sleep(0.01)


def _is_there(path: Path) -> bool:
    return path.exists()
