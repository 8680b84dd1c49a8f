import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hookfetch.core.observation import HOOKED_FOR, Standing
from hookfetch.core.repository import RepositoryId
from hookfetch.upstreams.schedule import DISTRUSTED_FOR, LONGEST_PAUSE, is_hooked, next_turn, pause

DAY = 86400.0
NOW = 1.7e9
LEAST, MOST = 60.0, 15360.0
NAME = RepositoryId("example.org/glib")

TIMES = st.floats(0, 2e9)
STANDINGS = st.builds(
    Standing,
    seen_at=TIMES,
    changed_at=st.none() | TIMES,
    told_at=st.none() | TIMES,
    missed_at=st.none() | TIMES,
)


def standing(
    *, idle: float | None = None, told: float | None = None, missed: float | None = None
) -> Standing:
    """Return a standing by how many seconds before NOW each thing happened."""
    at = [None if ago is None else NOW - ago for ago in (idle, told, missed)]
    return Standing(seen_at=0.0, changed_at=at[0], told_at=at[1], missed_at=at[2])


def gap(known: Standing, now: float = NOW) -> float:
    """Return how far apart two turns are."""
    first = next_turn(NAME, now, known, least=LEAST, most=MOST)
    return round(next_turn(NAME, first, known, least=LEAST, most=MOST) - first, 3)


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(), TIMES, STANDINGS, st.floats(0.1, 1e5), st.floats(1, 1000))
def test_turns_are_never_closer_than_the_least_and_never_farther_than_the_most(
    name: str, now: float, known: Standing, least: float, times: float
) -> None:
    repository, most = RepositoryId(name), least * times
    first = next_turn(repository, now, known, least=least, most=most)
    second = next_turn(repository, first, known, least=least, most=most)
    assert now < first <= now + most * 1.001
    assert least * 0.999 <= second - first <= most * 1.001


@settings(deadline=None)
@given(st.text(), TIMES, st.none() | TIMES, st.floats(0, 1))
@example("", 0.0, None, 0.9999999999999999)  # the turn is there as good as now
def test_a_restart_moves_no_turn(name: str, now: float, changed_at: float | None, share: float) -> None:
    repository, known = RepositoryId(name), Standing(seen_at=0.0, changed_at=changed_at)
    turn = next_turn(repository, now, known, least=LEAST, most=MOST)
    restarted = now + share * (turn - now)
    if restarted < turn:
        assert next_turn(repository, restarted, known, least=LEAST, most=MOST) == turn


@pytest.mark.parametrize(
    ("idle", "expected"),
    [(0, 60), (3600, 60), (2 * 3600, 120), (DAY, 1920), (3 * DAY, 7680), (365 * DAY, 15360), (None, 15360)],
)
def test_who_moved_lately_is_asked_often_and_who_sleeps_seldom(idle: float | None, expected: float) -> None:
    assert gap(standing(idle=idle)) == expected


def test_one_that_was_only_just_met_is_asked_every_half_hour() -> None:
    assert gap(Standing(seen_at=NOW)) == 1920


def test_a_hooked_one_is_asked_an_eighth_as_often() -> None:
    assert gap(standing(idle=60, told=60)) == 8 * gap(standing(idle=60)) == 480
    assert gap(standing(idle=365 * DAY, told=DAY)) == MOST


def test_a_hook_is_relied_on_unless_it_missed_something_lately_or_fell_silent() -> None:
    assert is_hooked(standing(told=0), NOW)
    assert is_hooked(standing(told=60, missed=DISTRUSTED_FOR + 1), NOW)
    assert not is_hooked(standing(told=60, missed=DAY), NOW)
    assert not is_hooked(standing(told=HOOKED_FOR + 1), NOW)
    assert not is_hooked(standing(), NOW)


def test_turns_are_spread_over_the_interval() -> None:
    for idle, interval in ((0, 60.0), (DAY, 1920.0)):
        known = standing(idle=idle)
        turns = sorted(
            next_turn(RepositoryId(f"example.org/{n}"), NOW, known, least=LEAST, most=MOST)
            for n in range(1000)
        )
        widest = max(later - earlier for earlier, later in itertools.pairwise(turns))
        assert widest < interval / 60


def test_a_pause_grows_to_a_limit_and_is_never_below_the_least() -> None:
    assert [pause(n, 300.0) for n in (1, 2, 3, 1000)] == [300.0, 600.0, 1200.0, LONGEST_PAUSE]
    assert pause(5, 2 * LONGEST_PAUSE) == 2 * LONGEST_PAUSE
