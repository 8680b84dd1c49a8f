"""A short run of the fault harness: every kind of process is hit once."""

from pathlib import Path

import pytest

from tests.faults.run import Size, run
from tests.support.broker import PrivateBroker

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]


async def test_no_delivery_is_lost_or_doubled_whatever_is_killed(
    tmp_path: Path, breakable_broker: PrivateBroker
) -> None:
    verdict = await run(tmp_path, breakable_broker, 7, Size(deliveries=200, faults=7, pause=2.0), print)
    assert (verdict.faults, verdict.lost, verdict.doubled) == ([], 0, 0)
    assert verdict.accepted == 200
    assert verdict.dead == 2
    assert verdict.outcomes["done"] > 0
    assert verdict.entries > 0
