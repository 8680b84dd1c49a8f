"""One project kept loaded in this process: load it, and track, fetch, push and prove its elements.

Tracking changes memory only; this module writes no file of the project.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
from pydantic import JsonValue

from hookfetch.cas.directories import Unsuited
from hookfetch.cas.proof import RemoteCache
from hookfetch.core.errors import ElementError, Temporary
from hookfetch.core.events import SourceRef
from hookfetch.core.sources import Element, LoadedProject, Source
from hookfetch.engine import ancestry, mirrors
from hookfetch.engine import private_api as bst
from hookfetch.engine.addresses import is_remote
from hookfetch.engine.messages import Done, Run, Start
from hookfetch.engine.refs import from_json, to_json
from hookfetch.engine.shortcut import Shortcut
from hookfetch.engine.user_configuration import write_user_configuration

_log = structlog.get_logger(__name__)

# The keys by which source kinds say what they follow, as their plugins document them.
_TRACKING_KEYS = ("track", "exclude", "track-extra", "match", "ref-format", "path")
_TRACKING_FLAGS = ("track-tags",)

_COMPLAINTS = ("fatal: ", "error: ", "remote: ", "ERROR: ")

OnTracked = Callable[[tuple[SourceRef, ...], float], None]


class StaleStorage(Temporary):
    """The local storage daemon remembers sending what the source cache has lost since; only a
    new daemon asks it again."""


class WarmProject:
    """A project, its BuildStream context and the connection to its source cache, until closed."""

    def __init__(self, start: Start) -> None:
        self._path = Path(start.path)
        self._name = start.name
        self._options = start.options
        self._targets = start.targets
        self._stack = ExitStack()
        directory = Path(start.directory)
        self._log = directory / "job.log"
        self._context = self._stack.enter_context(
            bst.open_context(write_user_configuration(directory, start.source_cache))
        )
        self._cache: RemoteCache | None = None
        self._shortcut: Shortcut | None = None
        if start.source_cache is not None:
            self._cache = self._stack.enter_context(RemoteCache(start.source_cache))
            if start.shortcut:
                self._shortcut = self._stack.enter_context(
                    Shortcut(start.source_cache, directory / "shortcut")
                )
        self._elements: dict[str, Any] = {}
        self._committed: dict[str, list[bst.RefKeys | None]] = {}

    @property
    def shortcut_off(self) -> str | None:
        """Return why the shortcut, though allowed, is not taken in this process; None if that is not so."""
        return None if self._shortcut is None else self._shortcut.off

    def load(self) -> LoadedProject:
        """Load the project from its files as they are now; whatever BuildStream raises is passed on."""
        self._elements, self._committed = {}, {}
        if self._shortcut is not None:
            self._shortcut.check(self._context)
        loaded = bst.load_project(self._context, self._path, self._options, self._targets)
        self._committed = {
            name: [bst.ref_keys(source) for source in bst.sources_of(element)]
            for name, element in loaded.items()
        }
        self._elements = loaded
        elements = tuple(self._describe(name, element) for name, element in sorted(loaded.items()))
        return LoadedProject(name=self._context.get_toplevel_project().name, elements=elements)

    def _describe(self, name: str, element: Any) -> Element:
        committed = self._committed[name]
        sources = tuple(
            _describe_source(index, source, committed[index])
            for index, source in enumerate(bst.sources_of(element))
        )
        return Element(name=name, kind=element.get_kind(), sources=sources)

    def run(self, job: Run, on_tracked: OnTracked) -> Done:
        """Track if asked to, then have the sources in the cache and prove it.

        ElementError when there is no such element or a ref is missing; Temporary when the
        source cache is not there; whatever BuildStream and its plugins raise is passed on.
        """
        element = self._elements.get(job.element)
        if element is None:
            raise ElementError(f"{self._name} has no element {job.element}")
        _require_remote(job.element, element)
        with bst.recording(self._context, self._log):
            return self._run(job, element, on_tracked)

    def _run(self, job: Run, element: Any, on_tracked: OnTracked) -> Done:
        milliseconds: dict[str, float] = {}
        committed = self._committed[job.element]
        began = keys = _starting_refs(committed, job.refs)
        sources = bst.fresh_sources(element, keys, committed)
        if job.track:
            with _timed(milliseconds, "track"):
                mirrors.refresh_for_tracking(sources.sources())
                bst.track(sources)
            keys = [bst.ref_keys(source) for source in sources.sources()]
            on_tracked(_report(sources, keys), milliseconds["track"])
            sources = bst.fresh_sources(element, keys, committed)
        self._require_refs(job.element, sources)
        cached = self._have_cached(sources, milliseconds)
        return Done(
            refs=_report(sources, keys),
            cached=cached,
            element_key=bst.element_key(sources),
            source_keys=tuple(map(bst.source_key, sources.sources())),
            milliseconds=milliseconds,
            descends=ancestry.descends(sources.sources(), began, keys),
        )

    def _require_refs(self, name: str, sources: Any) -> None:
        if bst.element_key(sources) is None:
            missing = [
                f"{index} ({source.get_kind()})"
                for index, source in enumerate(sources.sources())
                if not source.is_resolved()
            ]
            raise ElementError(f"{name}: no ref for source {', '.join(missing)}")

    def _have_cached(self, sources: Any, milliseconds: dict[str, float]) -> bool:
        if self._cache is None:
            self._fetch(sources, milliseconds)
            return False
        key = bst.element_key(sources)
        assert key is not None
        with _timed(milliseconds, "prove"):
            if self._cache.holds(key):  # another worker or another client was first
                return True
        if self._take_shortcut(sources, key, milliseconds):
            return True
        reason = bst.connect_source_cache(self._context)
        if reason is not None:
            raise Temporary(f"source cache: {_one_line(reason)}")
        self._fetch(sources, milliseconds)
        with _timed(milliseconds, "push"):
            bst.push(sources)
        with _timed(milliseconds, "prove"):
            if not self._cache.holds(key):
                raise StaleStorage("source cache: what was just pushed is not all there")
        return True

    def _take_shortcut(self, sources: Any, key: str, milliseconds: dict[str, float]) -> bool:
        listed = tuple(sources.sources())
        if self._shortcut is None or not self._shortcut.serves(listed):
            return False
        assert self._cache is not None
        try:
            with _timed(milliseconds, "fetch"):
                self._shortcut.download(listed)
            with _timed(milliseconds, "push"):
                self._shortcut.publish(listed, key)
            with _timed(milliseconds, "prove"):
                if self._cache.holds(key):
                    return True
            reason = "what was just pushed is not all there"
        except Unsuited as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, BuildStream's own way says it better
            reason = f"{type(error).__name__}: {_one_line(str(error))}"
        _log.warning("shortcut not taken", element_key=key, reason=reason)
        return False

    def _fetch(self, sources: Any, milliseconds: dict[str, float]) -> None:
        with _timed(milliseconds, "fetch"):
            if not bst.is_stored(sources):
                mirrors.refresh_for_fetching(sources.sources())
            bst.fetch(sources)

    def last_complaint(self) -> str | None:
        """Return the last line by which git, in the last job, said what went wrong; None if it did not.

        Plugins tell the command that failed and keep the reason for their log.
        """
        with self._log.open(errors="replace") as log:
            complaints = [line.strip() for line in log if line.startswith(_COMPLAINTS)]
        return complaints[-1] if complaints else None

    @property
    def storage_lives(self) -> bool:
        """Return whether the local storage daemon still runs; without it nothing works."""
        return bst.storage_lives(self._context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _require_remote(name: str, element: Any) -> None:
    for index, source in enumerate(bst.sources_of(element)):
        if not all(map(is_remote, _urls(source))):
            what = f"source {index} ({source.get_kind()})"
            raise ElementError(f"{name}: the url of {what} is no address of another machine")


def _describe_source(index: int, source: Any, committed: bst.RefKeys | None) -> Source:
    node = bst.configuration(source)
    written = node.strip_node_info()
    track: dict[str, JsonValue] = {key: written[key] for key in _TRACKING_KEYS if key in written}
    track |= {key: node.get_bool(key) for key in _TRACKING_FLAGS if key in written}
    return Source(
        index=index,
        kind=source.get_kind(),
        urls=_urls(source),
        track=track,
        ref=to_json(committed),
        directory=bst.directory_of(source),
    )


def _urls(source: Any) -> tuple[str, ...]:
    url = bst.configuration(source).get_str("url", None)
    return () if url is None else bst.resolved_urls(source, url)


def _starting_refs(
    committed: Sequence[bst.RefKeys | None], refs: tuple[SourceRef, ...]
) -> list[bst.RefKeys | None]:
    keys = list(committed)
    for ref in refs:
        if not 0 <= ref.index < len(keys):
            raise ElementError(f"a ref for source {ref.index} of {len(keys)}")
        if ref.ref is not None:
            keys[ref.index] = from_json(ref.ref)
    return keys


def _report(sources: Any, keys: Sequence[bst.RefKeys | None]) -> tuple[SourceRef, ...]:
    described = []
    for index, (source, key) in enumerate(zip(sources.sources(), keys, strict=True)):
        url = next(iter(_urls(source)), None)
        described.append(SourceRef(index=index, kind=source.get_kind(), url=url, ref=to_json(key)))
    return tuple(described)


class _timed:  # noqa: N801 - reads as the statement it is used in
    """Add the milliseconds spent in a `with` block to a step's."""

    def __init__(self, milliseconds: dict[str, float], step: str) -> None:
        self._milliseconds = milliseconds
        self._step = step
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent = (time.perf_counter() - self._began) * 1000
        self._milliseconds[self._step] = self._milliseconds.get(self._step, 0.0) + spent


def _one_line(text: str) -> str:
    return " ".join(text.split())
