"""How BuildStream loads a project and those behind its junctions: private names, as in `private_api`,
and nothing that decides. Beside the project's files it writes `.bst/staged-junctions`, as BuildStream does.
"""
# ruff: noqa: SLF001 - this module and private_api are the place for it

import datetime as dt
import gc
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from buildstream import node as _node
from buildstream._pipeline import dependencies
from buildstream._project import Project
from buildstream._stream import Stream
from buildstream.element import Element
from buildstream.types import _Scope
from pydantic import JsonValue

_PARTIAL = ".partial-"
_LEFT_AFTER = 3600.0  # seconds; another worker may be at a younger one
# The keys of these are of files that go to the storage daemon one by one.
_READ_BY_STORAGE = frozenset({"local", "workspace"})

FetchJunction = Callable[[Any], None]


def fetch_junction(junction: Any) -> None:
    """Have a junction's sources in the local storage."""
    junction._fetch()
    junction._fetch_done(False)


def load_project(
    context: Any,
    directory: Path,
    options: Mapping[str, str],
    targets: Sequence[str],
    fetch_junction: FetchJunction = fetch_junction,
) -> dict[str, Any]:
    """Load or reload the project in `directory`; return by full name the elements that `targets` match
    and those behind junctions that they need. `fetch_junction` is called with each junction whose project
    is not in the local storage; nothing else is connected."""
    Element._reset_load_state()
    cast("Any", _node)._reset_global_state()
    context._projects.clear()
    context._workspaces = None
    context.messenger.setup_new_action_context("load", "", None)
    _remove_leftovers(directory)
    stream = Stream(context, dt.datetime.now(), ticker_callback=_nothing)

    def fetch_junctions(junctions: Sequence[Any]) -> None:
        for junction in junctions:
            fetch_junction(junction)

    # Nothing becomes garbage while the graph grows, and the collector would walk it again and again.
    gc.disable()
    try:
        project = Project(
            str(directory),
            context,
            cli_options=tuple(options.items()),
            search_for_project=False,
            fetch_subprojects=fetch_junctions,
        )
        stream.init()
        stream.set_project(project)
        elements = stream.load_selection(tuple(targets), need_state=False)
    finally:
        gc.enable()
    if len(context.get_projects()) > 1:
        needed = dependencies(elements, _Scope.ALL)
        elements = [*elements, *(each for each in needed if each._get_project() is not project)]
    return {full_name(element): element for element in elements}


def full_name(element: Any) -> str:
    """Return an element's name with those of the junctions before it (`junction.bst:name.bst`)."""
    return cast("str", element._get_full_name())


def public_data(element: Any, domain: str) -> JsonValue:
    """Return what the element's own `public:` data say under `domain`, None where they say nothing."""
    node = element._Element__public.get_node(domain, allow_none=True)
    return None if node is None else cast("JsonValue", node.strip_node_info())


def committed_keys(element: Any) -> tuple[str, ...]:
    """Return by which keys the committed sources of a loaded element are cached: each source's, and its own.
    Left out is what would be slow to know, has no ref, or cannot be told by its plugin before a fetch."""
    sources = list(element.sources())
    known: list[str] = []
    try:
        for source in sources:
            if source.is_resolved() and source.get_kind() not in _READ_BY_STORAGE:
                source._generate_key()
                known.append(source._get_source_name())
        if sources and len(known) == len(sources):
            together = element._Element__sources
            together.update_resolved_state()
            known.append(together.get_cache_key())
    except Exception:  # noqa: BLE001 - plugins raise anything; a load does not fail for want of a key
        return tuple(known)
    return tuple(known)


_stage_sources_at = Element._stage_sources_at


def _stage_whole(element: Any, directory: str) -> None:
    # BuildStream takes a directory that is there for a junction's whole project. Staged in place, one that
    # was killed over it would leave a part for good, and another worker would load a part.
    partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=Path(directory).parent))
    try:
        partial.chmod(0o755)
        _stage_sources_at(element, str(partial))
        try:
            partial.rename(directory)
        except OSError:
            if not any(Path(directory).iterdir()):
                raise  # else another worker was first
    finally:
        shutil.rmtree(partial, ignore_errors=True)


Element._stage_sources_at = _stage_whole

_initialize_state = Element._initialize_state


def _initialize_junction(element: Any) -> None:
    # Cache keys of whole elements, for which each local file goes to the storage daemon, are four fifths of a
    # load. Jobs make their sources anew and ask for those alone; only a junction's are needed to load.
    if element.get_kind() == "junction":
        _initialize_state(element)


Element._initialize_state = _initialize_junction


def _remove_leftovers(project: Path) -> None:
    """Remove what processes left behind that were killed while they staged a junction."""
    for place in _staged(project / ".bst/staged-junctions"):
        if place.name.startswith(_PARTIAL):
            if time.time() - place.stat().st_ctime > _LEFT_AFTER:
                shutil.rmtree(place, ignore_errors=True)
        elif any(place.iterdir()):
            _remove_leftovers(place)
        else:
            place.rmdir()


def remove_unused(context: Any, directory: Path) -> None:
    """Remove the projects that junctions of the loaded one in `directory` stood for before. Only where
    nobody else loads it from."""
    used = [Path(project.directory) for project in context.get_projects()]
    for place in _staged(directory / ".bst/staged-junctions"):
        if any(each.is_relative_to(place) for each in used):
            remove_unused(context, place)
        else:
            shutil.rmtree(place, ignore_errors=True)


def _staged(folder: Path) -> Iterator[Path]:
    """Yield where projects behind junctions are or were being staged: `<a junction's name>/<cache key>`."""
    # A project may have committed links of these names: what they lead to is none of ours.
    plain = folder.is_dir() and not (folder.is_symlink() or folder.parent.is_symlink())
    for place in sorted(folder.iterdir()) if plain else ():
        if place.is_symlink():
            continue
        if place.name.startswith(_PARTIAL) or (place.parent.suffix == ".bst" and not place.suffix):
            yield place
        elif place.is_dir():
            yield from _staged(place)


def _nothing(*_: Any) -> None:
    pass
