"""Have an element's sources in the source cache, by the shortcut or BuildStream's own way, and prove it."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import structlog

from hookfetch.cas.channel import Servers
from hookfetch.cas.directories import Unsuited
from hookfetch.cas.proof import Directories, RemoteCache
from hookfetch.core.errors import CacheAway, Temporary
from hookfetch.engine import mirrors
from hookfetch.engine import private_api as bst
from hookfetch.engine.messages import Start
from hookfetch.engine.shortcut import Shortcut
from hookfetch.engine.source_mirrors import downloading

_log = structlog.get_logger(__name__)


class StaleStorage(Temporary):
    """The local storage daemon remembers sending what the source cache has lost since; only a
    new daemon asks it again."""


class Caching:
    """The way of one worker to its project's source cache, or to nowhere where it has none; until closed."""

    def __init__(self, context: Any, start: Start, directory: Path) -> None:
        self._context = context
        self._stack = ExitStack()
        self._servers = self._stack.enter_context(Servers(start.source_cache))
        self._cache = RemoteCache(self._servers, start.cache_lease) if start.source_cache else None
        self._shortcut: Shortcut | None = None
        if self._cache is not None and start.shortcut:
            self._shortcut = Shortcut(self._servers, directory / "shortcut", start.cache_lease)

    @property
    def is_there(self) -> bool:
        """Return whether the project has a source cache."""
        return self._cache is not None

    @property
    def shortcut_off(self) -> str | None:
        """Return why the shortcut, though allowed, is not taken in this process; None if that is not so."""
        return None if self._shortcut is None else self._shortcut.off

    def check_shortcut(self) -> None:
        """Compare both ways, once in this process. No project is loaded in the context afterwards."""
        if self._shortcut is not None:
            self._shortcut.check(self._context)

    def have(self, sources: Any, milliseconds: dict[str, float], *, walk: bool) -> bool:
        """Have the sources cached; return False where there is no cache, and they are only fetched. With
        `walk` the proof is made anew. `milliseconds` by step are added to.

        CacheAway when the cache is not there; whatever BuildStream and its plugins raise is passed on.
        """
        if self._cache is None:
            self._fetch(sources, milliseconds)
            return False
        key = bst.element_key(sources)
        assert key is not None
        with timed(milliseconds, "prove"):
            if self._cache.holds(key, walk=walk):  # another worker or another client was first
                return True
        if self._take_shortcut(sources, key, milliseconds):
            return True
        with self._blamed():
            reason = bst.connect_source_cache(self._context)
            if reason is not None:
                self._servers.probe()  # says it better, if it sees it too
                raise CacheAway(f"source cache: {_one_line(reason)}")
            self._fetch(sources, milliseconds)
            with timed(milliseconds, "push"):
                bst.push(sources)
        with timed(milliseconds, "prove"):
            if not self._cache.holds(key):
                raise StaleStorage("source cache: what was just pushed is not all there")
        return True

    def directories(self, sources: Any) -> Directories | None:
        """Return what is cached under the keys of `sources`, which were cached just now; None where it was
        lost since. CacheAway when the cache is not there, Temporary when it does not speak its protocol."""
        key = bst.element_key(sources)
        assert self._cache is not None
        assert key is not None
        return self._cache.directories(key, list(map(bst.source_key, sources.sources())))

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Raise CacheAway in the place of an error of BuildStream's storage if the cache is not there (any
        more): it tells the two apart by its words alone."""
        try:
            yield
        except (*bst.STORAGE_ERRORS, grpc.RpcError):
            self._servers.probe()
            raise

    def _take_shortcut(self, sources: Any, key: str, milliseconds: dict[str, float]) -> bool:
        listed = tuple(sources.sources())
        if self._shortcut is None or not self._shortcut.serves(listed):
            return False
        assert self._cache is not None
        if self._cache.lost:
            self._shortcut.distrust()
        try:
            with timed(milliseconds, "fetch"):
                self._shortcut.download(listed)
            with timed(milliseconds, "push"):
                published = self._shortcut.publish(listed, key)
            with timed(milliseconds, "prove"):
                if self._cache.confirms(key, published):
                    return True
            reason = "what was just pushed is not all there"
            self._shortcut.distrust()
        except CacheAway:
            raise
        except Unsuited as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, BuildStream's own way says it better
            reason = f"{type(error).__name__}: {_one_line(str(error))}"
        _log.warning("shortcut not taken", element_key=key, reason=reason)
        return False

    def _fetch(self, sources: Any, milliseconds: dict[str, float]) -> None:
        with timed(milliseconds, "fetch"):
            listed = tuple(sources.sources())
            with downloading(listed):
                if not bst.is_stored(sources):
                    mirrors.refresh_for_fetching(listed)
                bst.fetch(sources)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


@contextmanager
def timed(milliseconds: dict[str, float], step: str) -> Iterator[None]:
    """Add the milliseconds spent in a `with` block to a step's."""
    began = time.perf_counter()
    try:
        yield
    finally:
        spent = (time.perf_counter() - began) * 1000
        milliseconds[step] = milliseconds.get(step, 0.0) + spent


def _one_line(text: str) -> str:
    return " ".join(text.split())
