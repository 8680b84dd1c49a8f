"""Real upstreams and a real source cache, shared by the tests of a session."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from hookfetch.engine.supervisor import BuildStreamEngine
from tests.engine.lab import Bench, Lab, running

_numbers = itertools.count()


@pytest.fixture(scope="session")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, UpstreamServer]]:
    root = tmp_path_factory.mktemp("upstreams")
    with UpstreamServer(root) as server:
        yield root, server


@pytest.fixture(scope="session")
def source_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceCache]:
    with SourceCache(tmp_path_factory.mktemp("cache")) as cache:
        yield cache


def _folder(upstreams: tuple[Path, UpstreamServer]) -> tuple[str, str, Path]:
    root, server = upstreams
    name = f"test{next(_numbers)}"
    (root / name).mkdir()
    return name, f"{server.url}/{name}", root / name


@pytest.fixture
def lab(tmp_path: Path, upstreams: tuple[Path, UpstreamServer]) -> Lab:
    """A project of the test's own."""
    name, url, root = _folder(upstreams)
    return Lab(tmp_path, url, root, name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_engine(
    tmp_path_factory: pytest.TempPathFactory,
    upstreams: tuple[Path, UpstreamServer],
    source_cache: SourceCache,
) -> AsyncIterator[tuple[BuildStreamEngine, Path]]:
    """One warm process, and the folder of its project, for the tests of a module."""
    root = tmp_path_factory.mktemp("shared")
    name, url, place = _folder(upstreams)
    async with running(Lab(root, url, place, name), source_cache.url) as bench:
        yield bench.engine, root


@pytest.fixture
def bench(shared_engine: tuple[BuildStreamEngine, Path], upstreams: tuple[Path, UpstreamServer]) -> Bench:
    """The shared engine, with a folder of elements and one of upstreams of the test's own."""
    engine, root = shared_engine
    name, url, place = _folder(upstreams)
    return Bench(engine, Lab(root, url, place, name))
