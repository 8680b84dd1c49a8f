import asyncio
import time
from email.utils import formatdate

import pytest
from structlog.testing import capture_logs

from hookfetch.upstreams.hosts import LONGEST_REST, Hosts, TooMuch, too_much

NOW = 1.7e9


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "17", 17.0),
        (429, " 17 ", 17.0),
        (429, None, 60.0),
        (429, "soon", 60.0),
        (429, "-1", 60.0),
        (429, "²", 60.0),
        (429, "9" * 5000, LONGEST_REST),
        (429, formatdate(NOW + 90, usegmt=True), 90.0),
        (429, formatdate(NOW - 90, usegmt=True), 0.0),
        (429, "Fri, 31 Dec 99999 23:59:59 GMT", 60.0),
        (503, "17", 17.0),
        (503, "86400", LONGEST_REST),
    ],
)
def test_an_answer_says_how_long_the_host_is_left_alone(
    status: int, header: str | None, seconds: float
) -> None:
    error = too_much(status, {} if header is None else {"Retry-After": header}, NOW)
    assert error is not None
    assert error.seconds == pytest.approx(seconds)
    assert str(status) in str(error)


@pytest.mark.parametrize(("status", "header"), [(503, None), (500, "17"), (200, "17"), (404, None)])
def test_other_answers_are_about_one_repository(status: int, header: str | None) -> None:
    assert too_much(status, {} if header is None else {"Retry-After": header}, NOW) is None


def hosts(*, at_once: int = 8, per_host: int = 8, rate: float = 1000.0) -> Hosts:
    return Hosts(at_once=at_once, per_host=per_host, rate=rate, clock=time.monotonic)


async def test_one_host_is_asked_at_its_rate_and_another_at_the_same_time() -> None:
    paced = hosts(rate=20.0)
    began: dict[str, list[float]] = {"a": [], "b": []}

    async def ask(name: str) -> None:
        async with paced.turn(name):
            began[name].append(time.monotonic())

    await asyncio.gather(*(ask(name) for name in "ab" for _ in range(5)))
    for times in began.values():
        assert times[-1] - times[0] >= 4 / 20.0 * 0.99
    assert abs(began["a"][0] - began["b"][0]) < 1 / 20.0


async def test_a_host_that_hangs_has_no_more_than_its_share() -> None:
    paced = hosts(at_once=3, per_host=2)
    hanging = asyncio.Event()
    inside = 0

    async def hang() -> None:
        nonlocal inside
        async with paced.turn("bad"):
            inside += 1
            await hanging.wait()

    stuck = [asyncio.create_task(hang()) for _ in range(10)]
    async with asyncio.timeout(5), paced.turn("good"):
        assert inside <= 2
    hanging.set()
    await asyncio.gather(*stuck)


async def test_a_host_rests_as_a_whole_and_no_other_does() -> None:
    paced = hosts()
    all_asked = asyncio.Barrier(4)

    async def refuse() -> None:
        async with paced.turn("busy"):
            await all_asked.wait()
            raise TooMuch("the server answers 429", 0.3)

    with capture_logs() as lines:
        await asyncio.gather(*(refuse() for _ in range(4)), return_exceptions=True)
    began = time.monotonic()
    async with paced.turn("other"):
        assert time.monotonic() - began < 0.3
    async with paced.turn("busy"):
        assert time.monotonic() - began > 0.25
    assert [line["event"] for line in lines] == ["host_rests"]
    assert lines[0]["host"] == "busy"
