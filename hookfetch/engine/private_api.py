"""Every private name of BuildStream that hookfetch uses after a load (`private_loading`), and nothing
that decides.

`tests/engine/test_private_api.py` holds what is relied on here. Only for a worker process's
main thread: BuildStream installs signal handlers and keeps global state.
"""
# ruff: noqa: SLF001 - this module is the one place for it

import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from buildstream import _signals
from buildstream._context import Context
from buildstream._elementsources import ElementSources
from buildstream._exceptions import (
    AssetCacheError,
    BstError,
    CASError,
    RemoteError,
    SkipJob,
    SourceCacheError,
)
from buildstream._loader import MetaSource
from buildstream._platform import Platform
from buildstream._projectrefs import ProjectRefStorage
from buildstream._protos.build.buildgrid import local_cas_pb2
from buildstream.node import Node
from pydantic import JsonValue

from hookfetch.engine.version import check_buildstream

check_buildstream()

BuildStreamError = BstError
# What the remote source cache or the local storage did, not the element.
STORAGE_ERRORS = (AssetCacheError, CASError, RemoteError, SourceCacheError)

# A source's ref as the keys a plugin writes into its source: `{"ref": …}` for most.
RefKeys = Mapping[str, JsonValue]


class _NoSandbox(Platform):  # type: ignore[misc] # BuildStream has no type information
    """A platform that builds nothing, so that no sandbox need be installed to track and fetch."""

    def _setup_sandbox(self) -> None:
        self._use_dummy_sandbox = True
        self._use_dummy_sandbox_reason = "hookfetch does not build"


@contextmanager
def open_context(configuration: Path) -> Iterator[Any]:
    """Give a context made from a user configuration file; its storage daemon ends with it."""
    # The forkserver's children download tar and remote sources; without these each imports BuildStream
    # anew, and waits for ever.
    multiprocessing.set_forkserver_preload(
        [
            *("buildstream.downloadablefilesource", "buildstream.plugin"),
            *("hookfetch.engine.egress.guarded_sockets", "hookfetch.engine.patience"),
        ]
    )
    # Outermost handlers for the process's life: without them every inner one asserts.
    with _signals.suspendable(_nothing, _nothing), _signals.terminator(_nothing), Context() as context:
        context.load(str(configuration))
        context.messenger.set_message_handler(_discard)
        context._platform = _NoSandbox()
        yield context


@contextmanager
def recording(context: Any, path: Path) -> Iterator[None]:
    """Have messages, and what plugins' commands print, written to `path` in a `with` block."""
    # Not `recorded_messages`, which never recovers from an exception in its block.
    with path.open("w", encoding="utf-8") as log:
        context.messenger._locals.log_handle = log
        try:
            yield
        finally:
            context.messenger._locals.log_handle = None


def sources_of(element: Any) -> list[Any]:
    """Return an element's sources as they were loaded."""
    return list(element.sources())


def fresh_sources(
    element: Any,
    refs: Sequence[RefKeys | None],
    loaded: Sequence[RefKeys | None],
    given: Mapping[int, Mapping[str, str]] = MappingProxyType({}),
) -> Any:
    """Return the element's sources made anew, each with its ref from `refs` (None: without one), and with the
    keys that it is `given` by its index in place of the loaded ones, variables resolved.

    Plugins and BuildStream remember paths, fetchers and answers for the ref they began with,
    so a source whose ref is changed in place may stage the content of the old one. `loaded`
    are the refs that the project's files hold.
    """
    context = element._get_context()
    context.messenger.setup_new_action_context("fetch", element._get_full_name(), None)
    sources = ElementSources(context, element._get_project(), element)
    for index, (source, ref, committed) in enumerate(zip(sources_of(element), refs, loaded, strict=True)):
        sources.add_source(_fresh_source(source, ref or {}, committed or {}, given.get(index, {})))
    sources.preflight()
    sources.update_resolved_state()
    return sources


def _fresh_source(source: Any, ref: RefKeys, committed: RefKeys, given: Mapping[str, str]) -> Any:
    # BuildStream makes this source again from its configuration for each mirror it tries, so
    # the ref must stand where it will be read from: there, or in the project's refs.
    config = source._Source__config.clone()
    _replace(config, given, given)
    place = _refs_node(source)
    if place is None:
        _replace(config, committed, ref)
    else:
        _replace(place, place.keys(), ref)  # with what an earlier job left there
    meta = MetaSource(
        source._Source__element_name,
        source._Source__element_index,
        source._Source__element_kind,
        source.get_kind(),
        source._directory,
        source._Source__provenance,
        config,
        source._Source__first_pass,
    )
    fresh = type(source)(
        source._get_context(),
        source._get_project(),
        meta,
        source._Source__variables,
        unique_id=source._unique_id,
    )
    fresh._load_ref()
    if source._get_project() is not source._get_context().get_toplevel_project():
        fresh._set_ref = partial(_set_ref_in_memory, fresh)
    return fresh


def _set_ref_in_memory(source: Any, ref: JsonValue, *, save: bool) -> None:  # noqa: ARG001 - it is called so
    """Do as `Source._set_ref`, which fails behind a junction unless the refs are in project.refs."""
    source.set_ref(ref, Node.from_dict({}))


def _replace(node: Any, old: Iterable[str], new: RefKeys) -> None:
    for key in tuple(old):
        node.safe_del(key)
    for key, value in new.items():
        node[key] = value


def _refs_node(source: Any) -> Any:
    """Return the in-memory project.refs entry of a source, made if need be; None where refs are inline."""
    project = source._get_project()
    toplevel = source._get_context().get_toplevel_project()
    for owner in (toplevel, project):
        if owner.ref_storage == ProjectRefStorage.PROJECT_REFS:
            refs = source._project_refs(owner)
            name, index = source._Source__element_name, source._Source__element_index
            return refs._lookup(refs._toplevel_node, project.name, name, index, ensure=True)
    return None


def ref_keys(source: Any) -> RefKeys | None:
    """Return a source's ref as the keys its plugin would write, or None when it has none."""
    ref = source.get_ref()
    if ref is None:
        return None
    node = Node.from_dict({})
    source.set_ref(ref, node)
    return cast("RefKeys", node.strip_node_info())


def variables_of(element: Any) -> dict[str, str]:
    """Return the variables that hold for an element and its sources, each with those in it resolved."""
    return dict(element._Element__variables)


def configuration(source: Any) -> Any:
    """Return a source's configuration node, defaults composited and variables resolved."""
    return source._Source__config


def version_guess(source: Any) -> str | None:
    """Return the version that a source's own information gives, None where it gives none."""
    try:
        told = source.collect_source_info()
    except Exception:  # noqa: BLE001 - plugins raise anything; a load does not fail for want of a version
        return None
    return next((str(each.version_guess) for each in told if each.version_guess is not None), None)


def resolved_urls(source: Any, url: str) -> tuple[str, ...]:
    """Return the address behind `url`, then those of the project's mirrors of it; none for a `url`
    that the plugin does not download from."""
    if url not in source._Source__marked_urls:
        return ()
    alias = source._get_alias()
    primary = source.translate_url(url)
    if alias is None:
        return (primary,)
    places = source._get_project().get_alias_uris(alias, first_pass=source._Source__first_pass)
    mirrors = (source.translate_url(url, alias_override=place) for place in places)
    return tuple(dict.fromkeys((primary, *mirrors)))


def directory_of(source: Any) -> str | None:
    """Return the directory a source is staged in, within its element's."""
    return cast("str | None", source._directory)


def track(sources: Any) -> None:
    """Track every source in memory; no file is written."""
    try:
        sources.track(None)
    except SkipJob:
        return  # every source is of a kind without upstream


def element_key(sources: Any) -> str | None:
    """Return the key the element's sources are cached under, or None while a ref is missing."""
    return cast("str | None", sources.get_cache_key())


def source_key(source: Any) -> str:
    """Return a source's own key, `<kind>/<digest>`; its element's sources must all have their refs."""
    return cast("str", source._get_source_name())


def is_stored(sources: Any) -> bool:
    """Return whether the local storage has the element's sources."""
    return cast("bool", sources.query_cache())


def fetch(sources: Any) -> None:
    """Have the element's sources in the local storage, from the source cache or upstream."""
    sources.query_cache()
    sources.fetch()
    if not sources.cached():
        sources.stage_and_cache()


def download(source: Any) -> None:
    """Have a source's plugin download it, from its mirrors too; nothing is staged or stored."""
    source._fetch()


def stored_files(sources: Any) -> Any:
    """Return what the local storage has of the sources, as a directory of BuildStream's."""
    return sources.get_files()


def stored_digest(directory: Any) -> tuple[str, int]:
    """Return hash and size of a directory of BuildStream's."""
    digest = directory._get_digest()
    return digest.hash, digest.size_bytes


def push(sources: Any) -> None:
    """Push each source and the whole to the source cache; what it has already is not sent again."""
    sources.push()


def connect_source_cache(context: Any) -> str | None:
    """Connect the configured source cache; return None, or why it cannot be pushed to."""
    errors = []
    for cache in (context.sourcecache, context.elementsourcescache):
        # A remote that failed once is remembered as failed; a warm process must ask again.
        for spec in [spec for spec, remote in cache._remotes.items() if remote.error]:
            del cache._remotes[spec]
    context.initialize_remotes(False, True)
    for cache in (context.sourcecache, context.elementsourcescache):
        errors += [remote.error for spec, remote in cache._remotes.items() if spec.push and remote.error]
        if not errors and not cache.has_push_remotes():
            errors.append("no server to push to")
    return "; ".join(errors) or None


def storage_pid(context: Any) -> int:
    """Return the process id of the context's storage daemon, started if need be."""
    return cast("int", context.get_casd().process.pid)


def stored_bytes(context: Any) -> int:
    """Return how much the context's local storage holds; as gRPC raises."""
    usage = context.get_casd().get_local_cas().GetLocalDiskUsage(local_cas_pb2.GetLocalDiskUsageRequest())
    return cast("int", usage.size_bytes)


def storage_lives(context: Any) -> bool:
    """Return whether the context's storage daemon still runs."""
    return context.get_casd().process.poll() is None


def _nothing(*_: Any) -> None:
    pass


def _discard(message: Any, is_silenced: bool) -> None:
    """Drop progress messages: a job's outcome is its reply."""
