"""A door and the spool behind it, empty for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hookfetch.spool import SegmentSpool
from tests.server.doors import Client, door


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[SegmentSpool]:
    async with SegmentSpool(tmp_path / "spool", 1024 * 1024) as opened:
        yield opened


@pytest.fixture
async def client(spool: SegmentSpool) -> AsyncIterator[Client]:
    async with door(spool) as opened:
        yield opened
