"""All tests here share one event loop: grpc.aio binds its completion queue to the loops it has met,
and one that was closed with a call still ending would disturb the tests after it."""

from pathlib import Path

import pytest
import pytest_asyncio

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
