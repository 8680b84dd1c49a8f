"""Real upstreams and a real source cache, shared by the tests of a session."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from hookfetch.engine.supervisor import BuildStreamEngine
from tests.engine.door import door_of
from tests.engine.hosts import Followed
from tests.engine.lab import Bench, Lab, running
from tests.engine.packs import Mirror, mirrored
from tests.engine.staged import Staged
from tests.engine.wire import Place, place_below

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
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    upstreams: tuple[Path, UpstreamServer],
    source_cache: SourceCache,
) -> AsyncIterator[tuple[BuildStreamEngine, Path]]:
    """One warm process, and the folder of its project, for the tests of a module; without the shortcut where
    the module says `SHORTCUT = False`, and impatient where it says how many seconds its `STALL` is."""
    root = tmp_path_factory.mktemp("shared")
    name, url, place = _folder(upstreams)
    shortcut, stall = getattr(request.module, "SHORTCUT", True), getattr(request.module, "STALL", 60.0)
    lab = Lab(root, url, place, name)
    async with running(lab, source_cache.url, shortcut=shortcut, stall=stall) as bench:
        yield bench.engine, root


@pytest.fixture
def bench(shared_engine: tuple[BuildStreamEngine, Path], upstreams: tuple[Path, UpstreamServer]) -> Bench:
    """The shared engine, with a folder of elements and one of upstreams of the test's own."""
    engine, root = shared_engine
    name, url, place = _folder(upstreams)
    return Bench(engine, Lab(root, url, place, name))


@pytest_asyncio.fixture(loop_scope="module")
async def host(bench: Bench, tmp_path: Path) -> AsyncIterator[Followed]:
    """A host that nobody has looked at, for elements of the shared engine."""
    root = tmp_path / "served"
    root.mkdir()
    async with door_of(root) as door:
        yield Followed(root, door, bench)


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """A mirror of an upstream's first commit."""
    return mirrored(tmp_path)


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """An upstream `x`, and a mirror of its first commit."""
    async with place_below(tmp_path) as place:
        yield place


@dataclass(frozen=True)
class Both:
    """One project and its upstreams, by both ways, each with a cache of its own."""

    lab: Lab
    short: Bench
    long: Bench
    short_cache: Staged
    long_cache: Staged


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(
    tmp_path_factory: pytest.TempPathFactory,
    upstreams: tuple[Path, UpstreamServer],
    source_cache: SourceCache,
) -> AsyncIterator[Both]:
    name, url, place = _folder(upstreams)
    lab = Lab(tmp_path_factory.mktemp("both"), url, place, name)
    slow = Lab(tmp_path_factory.mktemp("long"), url, place, name)
    slow.project = lab.project
    with SourceCache(tmp_path_factory.mktemp("long-cache")) as cache:
        async with (
            running(lab, source_cache.url) as short,
            running(slow, cache.url, shortcut=False) as long,
        ):
            yield Both(lab, short, long, Staged(source_cache.url), Staged(cache.url))
