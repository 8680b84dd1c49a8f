"""A caller has its share of what is dear: so many a minute, an hour, and at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.server.access.shares import Share, Shares, UsedUp


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def used(shares: Shares, caller: str = "a") -> float:
    """Return in how many seconds the caller may come again."""
    with pytest.raises(UsedUp) as error:
        shares.enter(caller)
    return error.value.seconds


def test_so_many_a_minute_then_after_the_first_of_them_is_a_minute_old() -> None:
    clock = Clock()
    shares = Shares("elements", Share(per_minute=2, per_hour=100, at_once=9), clock)
    shares.enter("a")
    clock.now += 20
    shares.enter("a")
    assert used(shares) == 40
    shares.enter("b")  # each has its own
    clock.now += 40
    shares.enter("a")
    assert used(shares) == 20


def test_so_many_an_hour() -> None:
    clock = Clock()
    shares = Shares("elements", Share(per_minute=9, per_hour=2, at_once=9), clock)
    shares.enter("a")
    shares.enter("a")
    clock.now += 600
    assert used(shares) == 3000
    clock.now += 3000
    shares.enter("a")


def test_so_many_at_once() -> None:
    shares = Shares("elements", Share(at_once=1), Clock())
    shares.enter("a")
    assert used(shares) > 0
    shares.leave("a")
    shares.enter("a")


def test_none_at_all_can_be_a_share() -> None:
    clock = Clock()
    assert used(Shares("elements", Share(per_minute=0), clock)) == 60
    assert used(Shares("elements", Share(per_hour=0), clock)) == 3600
    assert used(Shares("elements", Share(at_once=0), clock)) > 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 900), st.booleans()), max_size=60))
def test_nobody_exceeds_its_share_and_who_is_gone_is_forgotten(steps: list[tuple[str, int, bool]]) -> None:
    clock = Clock()
    shares = Shares("elements", Share(per_minute=3, per_hour=6, at_once=2), clock)
    begun: dict[str, list[float]] = {"a": [], "b": []}
    running = {"a": 0, "b": 0}
    for caller, seconds, leaves in steps:
        clock.now += seconds
        if leaves and running[caller]:
            shares.leave(caller)
            running[caller] -= 1
        try:
            shares.enter(caller)
        except UsedUp:
            continue
        begun[caller].append(clock.now)
        running[caller] += 1
        assert running[caller] <= 2
        assert sum(at > clock.now - 60 for at in begun[caller]) <= 3
        assert sum(at > clock.now - 3600 for at in begun[caller]) <= 6
    for caller, count in running.items():
        for _ in range(count):
            shares.leave(caller)
    clock.now += 3601
    shares.enter("c")
    assert shares.known == {"c"}
