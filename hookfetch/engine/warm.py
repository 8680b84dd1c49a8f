"""One project kept loaded in this process: load it, and track, fetch, push and prove its elements.

Tracking changes memory only; this module writes no file of the project.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from hookfetch.core.egress import Place, named_by
from hookfetch.core.errors import CacheAway, ElementError
from hookfetch.core.events import SourceRef
from hookfetch.core.moves import SourceMove
from hookfetch.core.sources import LoadedProject
from hookfetch.engine import ancestry, mirrors
from hookfetch.engine import private_api as bst
from hookfetch.engine.addresses import require_remote, require_remote_repositories
from hookfetch.engine.ahead import Ahead
from hookfetch.engine.alias_use import aliases_in
from hookfetch.engine.bumping.mover import Beginning, Mover
from hookfetch.engine.caching import Caching, timed
from hookfetch.engine.describing import describe, report, urls_of
from hookfetch.engine.egress.git_egress import lead_through, rewritten_to, why
from hookfetch.engine.egress.named import of_operator, write_named
from hookfetch.engine.egress.naming import places_of
from hookfetch.engine.egress.relay import Relay
from hookfetch.engine.full_disk import is_full, make_room_on
from hookfetch.engine.made_anew import all_remote, fresh_sources, given, require_all_remote, starting_refs
from hookfetch.engine.messages import Done, Run, Start
from hookfetch.engine.private_loading import fetch_junction, full_name, load_project, remove_unused
from hookfetch.engine.private_mirrors import watch_addresses
from hookfetch.engine.project_policy import rules_of
from hookfetch.engine.source_mirrors import SourceMirrors
from hookfetch.engine.supplied import Supplied
from hookfetch.engine.tracking import tracked
from hookfetch.engine.user_configuration import FULL, write_user_configuration
from hookfetch.engine.work_tree import WorkTree
from hookfetch.originals.folder import Folder
from hookfetch.originals.privacy import Credentials

_log = structlog.get_logger(__name__)

_COMPLAINTS = ("fatal: ", "error: ", "remote: ", "ERROR: ")

OnTracked = Callable[[tuple[SourceRef, ...], float], None]


class WarmProject:
    """A project, its BuildStream context and the connection to its source cache, until closed."""

    def __init__(self, start: Start) -> None:
        self._tree = None
        if start.clone is not None:
            self._tree = WorkTree(Path(start.clone), Path(start.directory))
        self._path = self._tree.directory if self._tree else Path(start.path or "")
        self._name = start.name
        self._cache_bytes = start.cache_bytes
        self._options = start.options
        self._targets = start.targets
        self._stack = ExitStack()
        directory = Path(start.directory)
        self._log = directory / "job.log"
        self._context = self._stack.enter_context(
            bst.open_context(write_user_configuration(directory, start.source_cache, start.cache_bytes))
        )
        self._caching = self._stack.enter_context(Caching(self._context, start, directory))
        self._kept = start.mirrors
        credentials = Credentials.of_this_user(start.mirrors.accounts)
        self._mirrors = SourceMirrors(
            Folder.of(Path(start.mirrors.state_dir)),
            start.name,
            credentials,
            start.mirrors.patience,
        )
        self._mirrors.keep(self._context)
        self._operators = of_operator(start.mirrors.accounts, rewritten_to())
        self._named: frozenset[Place] = frozenset()
        self._relay = self._stack.enter_context(Relay())
        lead_through(self._relay, directory)
        self._ahead = Ahead(self._mirrors)
        patience = start.mirrors.patience
        self._mover = Mover(self._path, self._mirrors, start.mirrors.archive_bytes, patience)
        self._supplied = Supplied(
            context=self._context,
            project=start.name,
            folder=directory / "supplied",
            rules=start.supplied,
            credentials=credentials,
            caching=self._caching,
            log=self._log,
        )
        self._elements: dict[str, Any] = {}
        self._committed: dict[str, list[bst.RefKeys | None]] = {}

    @property
    def shortcut_off(self) -> str | None:
        """Return why the shortcut, though allowed, is not taken in this process; None if that is not so."""
        return self._caching.shortcut_off

    def load(self, revision: str | None) -> LoadedProject:
        """Load the project from its files as they are now, of a clone as they were at `revision`; whatever
        BuildStream raises is passed on."""
        self._elements, self._committed = {}, {}
        if self._tree is not None:
            assert revision is not None
            self._tree.check_out(revision)
        self._caching.check_shortcut()
        rules = rules_of(self._path)
        self._named = self._operators
        self._relay.forget()
        with bst.recording(self._context, self._log):
            loaded = load_project(
                self._context, self._path, self._options, self._targets, self._fetch_junction
            )
        if self._tree is not None:
            remove_unused(self._context, self._path)
        self._committed = {
            name: [bst.ref_keys(source) for source in bst.sources_of(element)]
            for name, element in loaded.items()
        }
        self._elements = loaded
        elements = tuple(
            describe(name, element, self._committed[name]) for name, element in sorted(loaded.items())
        )
        sources = (source for element in elements for source in element.sources)
        self._name_places(loaded.values(), (url for source in sources for url in source.urls))
        project = self._context.get_toplevel_project()
        aliases = aliases_in(loaded.values(), project)
        return LoadedProject(
            name=project.name, elements=elements, revision=revision, policy=rules, aliases=aliases
        )

    def _name_places(self, elements: Iterable[Any], urls: Iterable[str]) -> None:
        self._named |= places_of(elements)
        self._named |= frozenset(place for url in urls for place in named_by(url))
        write_named(self._named)

    def _fetch_junction(self, junction: Any) -> None:
        name = full_name(junction)
        require_all_remote(name, junction)
        self._name_places([junction], (url for each in bst.sources_of(junction) for url in urls_of(each)))
        try:
            sources = bst.sources_of(junction)
            watch_addresses(sources, partial(require_remote, name))
            with self._mirrors.held(sources), self._mirrors.alone(sources):
                mirrors.refresh_for_fetching(sources)
                fetch_junction(junction)
        except bst.BuildStreamError as error:
            why = self.last_complaint()
            reason = " ".join(str(error).split()) + (f": {why}" if why else "")
            raise ElementError(f"the project behind {name} cannot be fetched: {reason}") from error

    def look_ahead(self, number: int, element: str) -> None:
        """Begin a look, as `Ahead`, for an element; nothing happens where it will be refused. From any
        thread."""
        loaded = self._elements.get(element)
        if loaded is not None and all_remote(loaded):
            self._ahead.begin(number, bst.sources_of(loaded))

    def run(self, job: Run, on_tracked: OnTracked) -> Done:
        """Track if asked to, then have the sources in the cache and prove it.

        ElementError when there is no such element or a ref is missing; Temporary when the
        source cache is not there; whatever BuildStream and its plugins raise is passed on.
        """
        if job.supplied:
            self._relay.forget()
            return self._supplied.run(job, on_tracked)
        element = self._elements.get(job.element)
        if element is None:
            raise ElementError(f"{self._name} has no element {job.element}")
        require_all_remote(job.element, element)
        self._relay.forget()
        with (
            bst.recording(self._context, self._log),
            self._mirrors.held(bst.sources_of(element)),
            ExitStack() as holding,
        ):
            return self._run(job, element, on_tracked, holding)

    def _run(self, job: Run, element: Any, on_tracked: OnTracked, holding: ExitStack) -> Done:
        milliseconds: dict[str, float] = {}
        committed = self._committed[job.element]
        fresh = partial(self._fresh, job.element, element, holding)
        moves = {ref.index: ref.moved for ref in job.refs if ref.moved is not None}
        began = keys = starting_refs(committed, job.refs)
        made = unmoved = None
        if job.move is not None:
            with timed(milliseconds, "move"):
                beginning = Beginning(keys, moves, fresh)
                made, unmoved = self._mover.attempt(job.move, job.element, element, self._elements, beginning)
        if made is not None:
            moves, keys = dict(made.moves), made.keys
        sources = fresh(keys, moves)
        if job.track:
            with timed(milliseconds, "track"):
                # Before the mirrors are held: a look that is not at its end yet waits for them.
                ahead = self._ahead.take(job.looked)
                if made is None:
                    keys = tracked(self._mirrors, sources, ahead)
            on_tracked(report(sources, keys, moves), milliseconds["track"])
            sources = fresh(keys, moves)
        require_remote_repositories(job.element, keys)
        self._require_refs(job.element, sources)
        if job.cache == "away" and self._caching.is_there:
            raise CacheAway("source cache: left alone until it answers again")
        # Who asks for nothing else but that it be cached wants to be sure.
        cached = self._caching.have(sources, milliseconds, walk=not job.track)
        directories = None
        if cached and job.tells_directories:
            with timed(milliseconds, "prove"):
                directories = self._caching.directories(sources)
        mirrors.name_followed(sources.sources(), tracked=job.track)
        return Done(
            refs=report(sources, keys, moves),
            cached=cached,
            element_key=bst.element_key(sources),
            source_keys=tuple(map(bst.source_key, sources.sources())),
            milliseconds=milliseconds,
            descends=ancestry.descends(sources.sources(), began, keys),
            element_directory=None if directories is None else directories.element,
            source_directories=() if directories is None else directories.sources,
            upgrade=None if made is None else made.upgrade,
            unmoved=unmoved,
        )

    def _fresh(
        self,
        name: str,
        element: Any,
        holding: ExitStack,
        keys: Sequence[bst.RefKeys | None],
        moves: Mapping[int, SourceMove],
    ) -> Any:
        """Return the element's sources made anew; what moved ones use is there until `holding` ends."""
        sources = fresh_sources(name, element, keys, self._committed[name], given(moves))
        if moves:
            holding.enter_context(self._mirrors.held(sources.sources()))
        return sources

    def _require_refs(self, name: str, sources: Any) -> None:
        if bst.element_key(sources) is None:
            missing = [
                f"{index} ({source.get_kind()})"
                for index, source in enumerate(sources.sources())
                if not source.is_resolved()
            ]
            raise ElementError(f"{name}: no ref for source {', '.join(missing)}")

    def last_complaint(self) -> str | None:
        """Return the last line by which git, in the last job, said what went wrong, or why it was not
        connected; None if it did not.

        Plugins tell the command that failed and keep the reason for their log.
        """
        with self._log.open(errors="replace") as log:
            complaints = [line.strip() for line in log if line.startswith(_COMPLAINTS)]
        return why(complaints[-1] if complaints else None, self._relay)

    def better_said(self, reason: str) -> str:
        """Return why the last job failed: `reason`, and where that is git's word for what the relay knows,
        that, too."""
        known = why(reason, self._relay)
        return reason if known in (None, reason) else f"{reason}: {known}"

    def room_made(self, reason: str) -> str | None:
        """Give up mirrors if the last job failed for `reason` because the disk is full, and return what is to
        be said of it; None if it is not."""
        folder = Path(self._kept.state_dir)
        complaint = self.last_complaint() if self._log.exists() else ""
        if not is_full(f"{reason} {complaint}", folder):
            return None
        return make_room_on(folder, self._kept.bytes)

    @property
    def storage_lives(self) -> bool:
        """Return whether the local storage daemon still runs; without it nothing works."""
        return bst.storage_lives(self._context)

    @property
    def storage_is_full(self) -> bool:
        """Return whether the local storage needs a new daemon, which expires what this one may not."""
        return bst.stored_bytes(self._context) > FULL * self._cache_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
