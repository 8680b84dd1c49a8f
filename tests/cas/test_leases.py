"""A lease lasts its time, and only so many of them are kept."""

from hookfetch.cas.leases import Leases


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_lasts_its_seconds_and_can_be_ended() -> None:
    clock = Clock()
    leases = Leases(60.0, clock=clock)
    assert not leases.lasts("a")
    for key in "abc":
        leases.grant(key)
    clock.now += 59.0
    assert leases.lasts("a")
    leases.end("a")
    assert [leases.lasts(key) for key in "abc"] == [False, True, True]
    clock.now += 1.0
    assert not leases.lasts("b")
    leases.grant("b")
    leases.end_all()
    assert not leases.lasts("b")


def test_of_too_many_the_oldest_goes() -> None:
    leases = Leases(60.0, most=2, clock=Clock())
    for key in "abac":
        leases.grant(key)
    assert [leases.lasts(key) for key in "abc"] == [True, False, True]
