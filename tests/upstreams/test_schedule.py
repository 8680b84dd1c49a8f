import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from hookfetch.core.repository import RepositoryId
from hookfetch.upstreams.schedule import LONGEST_PAUSE, next_turn, pause


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(), st.floats(0, 2e9), st.floats(0.1, 1e5))
def test_a_turn_comes_within_an_interval_and_never_now(name: str, now: float, interval: float) -> None:
    turn = next_turn(RepositoryId(name), now, interval)
    assert now < turn <= now + interval * 1.01


def test_turns_are_an_interval_apart_whenever_one_asks() -> None:
    name = RepositoryId("example.org/glib")
    turns = [next_turn(name, 1.7e9, 300.0)]
    turns += [next_turn(name, turns[0] + pause, 300.0) for pause in (0.001, 299.0)]
    assert [round(turn - turns[0]) for turn in turns] == [0, 300, 300]


def test_turns_are_spread_over_the_interval() -> None:
    turns = sorted(next_turn(RepositoryId(f"example.org/{n}"), 0.0, 300.0) for n in range(1000))
    assert max(later - earlier for earlier, later in itertools.pairwise(turns)) < 5.0


def test_a_pause_grows_to_a_limit_and_is_never_below_the_interval() -> None:
    assert [pause(n, 300.0) for n in (1, 2, 3, 1000)] == [300.0, 600.0, 1200.0, LONGEST_PAUSE]
    assert pause(5, 2 * LONGEST_PAUSE) == 2 * LONGEST_PAUSE
