"""A short run of the fault harness: every kind of process is hit once, every disk is full once."""

import asyncio

import pytest

from tests.conftest import available
from tests.faults.run import Size, run
from tests.faults.verdict import Verdict
from tests.support.broker import PrivateBroker

pytestmark = [pytest.mark.engine, pytest.mark.broker, pytest.mark.timeout(400)]

_SIZE = Size(deliveries=200, faults=9, pause=0.8, replays=5)


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """What came of one run, which all tests here look at, over a broker that nobody else uses."""
    with available(PrivateBroker()) as broker:
        return asyncio.run(run(tmp_path_factory.mktemp("faults"), broker, 1718, _SIZE, print))


def test_no_delivery_is_lost_or_doubled_whatever_is_killed(verdict: Verdict) -> None:
    assert (verdict.faults, verdict.lost, verdict.doubled) == ([], 0, 0)
    assert verdict.accepted == _SIZE.deliveries
    assert verdict.dead >= 2
    assert verdict.outcomes["done"] > 0
    assert verdict.entries > 0


def test_a_full_disk_has_deliveries_refused_and_none_lost(verdict: Verdict) -> None:
    if verdict.missing:
        pytest.skip(verdict.missing)
    assert verdict.did["fill doors"] == verdict.did["fill store"] == 1
    assert verdict.did["refused with 503, and sent again"] > 0
    assert verdict.did["waits of a coordinator for its full disk"] > 0


def test_a_replayed_delivery_has_an_end_of_its_own(verdict: Verdict) -> None:
    assert verdict.replayed > 0
    assert verdict.lost == 0


def test_a_replayed_letter_has_one_end_also_when_it_is_sent_twice(verdict: Verdict) -> None:
    assert verdict.did["letters sent, the command killed before it removed them"] > 0
    assert verdict.mended > 0
    assert verdict.doubled == 0
