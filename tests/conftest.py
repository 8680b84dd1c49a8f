"""Fixtures and reports for all tests."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

import pytest

from tests.support.broker import BrokerUnavailable, PrivateBroker, private_broker

_BROKER_FIXTURES = {"amqp_url", "breakable_broker"}
_NO_BROKER = "NOT RUN, no broker"
_SLOWEST = 3  # tests that are named

T = TypeVar("T")


@pytest.fixture(scope="session")
def amqp_url() -> Iterator[str]:
    """The URL of a real RabbitMQ that all tests of this process share."""
    with available(private_broker()) as url:
        yield url


@pytest.fixture(scope="session")
def breakable_broker() -> Iterator[PrivateBroker]:
    """A RabbitMQ to be killed and started again, and whose limits and users may be changed; each test leaves
    it running, and without a limit. What other tests left on its queues is there: give what is yours a
    name of its own."""
    with available(PrivateBroker()) as broker:
        yield broker


@contextmanager
def available(broker: AbstractContextManager[T]) -> Iterator[T]:
    """Enter a broker; where there is none, its test fails in CI and is said not to have run elsewhere."""
    with ExitStack() as stack:
        try:
            entered = stack.enter_context(broker)
        except BrokerUnavailable as error:
            if os.environ.get("CI") == "true":
                pytest.fail(f"no broker: {error}")
            pytest.skip(f"{_NO_BROKER}: {error}")
        yield entered


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and _BROKER_FIXTURES.intersection(item.fixturenames):
            item.add_marker(pytest.mark.broker)


class Times:
    """Adds up the seconds of each suite, a folder of tests, fixtures included, whichever process ran them."""

    def __init__(self) -> None:
        self._suites: Counter[str] = Counter()
        self._tests: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file, _, test = report.nodeid.partition("::")
        suite, _, module = file.rpartition("/")
        self._suites[suite] += report.duration
        self._tests[f"{module}::{test}"] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("seconds a suite")
        for suite, seconds in sorted(self._suites.items()):
            terminalreporter.line(f"{seconds:8.1f}  {suite}")
        slowest = [f"{test} {seconds:.1f} s" for test, seconds in self._tests.most_common(_SLOWEST)]
        terminalreporter.line(f"slowest: {', '.join(slowest) or 'no test ran'}")
        reasons = {str(skipped.longrepr[2]) for skipped in terminalreporter.stats.get("skipped", ())}
        for reason in sorted(reason for reason in reasons if _NO_BROKER in reason):
            terminalreporter.section("NOT RUN: tests that need RabbitMQ", sep="!", red=True, bold=True)
            terminalreporter.line(reason)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Times())
