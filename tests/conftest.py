"""Fixtures and reports for all tests."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NoReturn

import pytest

from tests.support.broker import BrokerUnavailable, PrivateBroker, private_broker

_BROKER_FIXTURES = {"amqp_url", "breakable_broker"}
_NO_BROKER = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def amqp_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of a real RabbitMQ that all tests of this run share."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(private_broker())
        except BrokerUnavailable as error:
            not_run(pytestconfig, error)
        yield url


@pytest.fixture(scope="module")
def breakable_broker(pytestconfig: pytest.Config) -> Iterator[PrivateBroker]:
    """A RabbitMQ of this module's own, to be killed and started again."""
    with ExitStack() as stack:
        try:
            broker = stack.enter_context(PrivateBroker())
        except BrokerUnavailable as error:
            not_run(pytestconfig, error)
        yield broker


def not_run(config: pytest.Config, error: BrokerUnavailable) -> NoReturn:
    config.stash[_NO_BROKER] = str(error)
    if os.environ.get("CI") == "true":
        pytest.fail(f"no broker: {error}")
    pytest.skip(f"NOT RUN, no broker: {error}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and _BROKER_FIXTURES.intersection(item.fixturenames):
            item.add_marker(pytest.mark.broker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.section("seconds a suite")
    for suite, seconds in sorted(config.stash[_SECONDS].items()):
        terminalreporter.line(f"{seconds:8.1f}  {suite}")
    reason = config.stash.get(_NO_BROKER, None)
    if reason is not None:
        terminalreporter.section("NOT RUN: tests that need RabbitMQ", sep="!", red=True, bold=True)
        terminalreporter.line(reason)


_SECONDS = pytest.StashKey[dict[str, float]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SECONDS] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Add up the time of each suite: a folder of tests, fixtures included."""
    began = time.perf_counter()
    try:
        return (yield)
    finally:
        suite = item.nodeid.split("::", 1)[0].rpartition("/")[0] or "tests"
        seconds = item.config.stash[_SECONDS]
        seconds[suite] = seconds.get(suite, 0.0) + time.perf_counter() - began
