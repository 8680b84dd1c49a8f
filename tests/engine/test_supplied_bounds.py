"""What a client brought has so much time and disk, and no more."""

import asyncio
from pathlib import Path

import pytest

from hookfetch.core.errors import ElementError
from hookfetch.engine.supplied_bounds import within_bounds

pytestmark = pytest.mark.asyncio


async def test_what_stays_within_them_is_returned(tmp_path: Path) -> None:
    (tmp_path / "before").write_bytes(bytes(5000))  # what was there does not count

    async def work() -> str:
        (tmp_path / "x").write_bytes(bytes(900))
        return "done"

    assert await within_bounds(work, (tmp_path, tmp_path / "none"), 1000, 60.0) == "done"


async def test_what_takes_longer_is_ended(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ElementError, match=r"more than 0\.01 s"):
        await within_bounds(work, (tmp_path,), 1000, 0.01)
    assert ended.is_set()


async def test_what_takes_more_disk_is_ended_wherever_it_puts_it(tmp_path: Path) -> None:
    async def work() -> None:
        (tmp_path / "a/b").mkdir(parents=True)
        (tmp_path / "a/b/x").write_bytes(bytes(2000))
        await asyncio.Event().wait()

    with pytest.raises(ElementError, match="more than 1000 bytes"):
        await within_bounds(work, (tmp_path,), 1000, 60.0)


async def test_its_own_error_is_passed_on(tmp_path: Path) -> None:
    async def work() -> None:
        raise ElementError("of its own")

    with pytest.raises(ElementError, match="of its own"):
        await within_bounds(work, (tmp_path,), 1000, 60.0)
