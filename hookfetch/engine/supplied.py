"""Sources that a client brings, in a worker: an element for as long as one job, which connects nowhere but to
public hosts over https and those that the operator names for it, and leaves nothing behind.

What its plugins keep is in a folder of the job's own: other jobs neither see nor pay for it. Hosts for which
this machine has an account are refused, or who brings an address would borrow it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hookfetch.core.errors import CacheAway, ElementError
from hookfetch.core.events import SourceRef
from hookfetch.core.refs import from_json
from hookfetch.core.supplied import SuppliedRules, closed
from hookfetch.engine import private_api as bst
from hookfetch.engine.caching import Caching, timed
from hookfetch.engine.describing import report, urls_of
from hookfetch.engine.egress.named import of_operator, read_named, write_named
from hookfetch.engine.fetching.connections import close_idle
from hookfetch.engine.looks import Look
from hookfetch.engine.messages import Done, Run
from hookfetch.engine.mirrors import refresh_for_tracking
from hookfetch.engine.private_mirrors import keep_mirrors_of, watch_addresses
from hookfetch.engine.private_supplied import made_of
from hookfetch.engine.source_mirrors import SourceMirrors, downloading
from hookfetch.originals.folder import Folder
from hookfetch.originals.privacy import Credentials

_PROTOCOLS = "GIT_ALLOW_PROTOCOL"
_PATIENCE = 10.0  # seconds for mirrors that nobody else knows

OnTracked = Callable[[tuple[SourceRef, ...], float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplied:
    """Clients' elements in the worker of `project`; all that a job keeps is below `folder` meanwhile."""

    context: Any
    project: str
    folder: Path
    rules: SuppliedRules
    credentials: Credentials
    caching: Caching
    log: Path

    def run(self, job: Run, on_tracked: OnTracked) -> Done:
        """Track what a client brought, and no more; or have it in the cache and prove it.

        ElementError where it leads to what is not open to clients; CacheAway when the cache is not there;
        whatever BuildStream and its plugins raise is passed on.
        """
        with bst.recording(self.context, self.log), self._opened(job) as sources:
            milliseconds: dict[str, float] = {}
            if job.track:
                with timed(milliseconds, "track"), downloading(tuple(sources.sources())):
                    look = Look(sources.sources())
                    refresh_for_tracking(sources.sources(), look.refs_at)
                    with look.told():
                        bst.track(sources)
            refs = report(sources, [bst.ref_keys(source) for source in sources.sources()])
            if job.track:
                on_tracked(refs, milliseconds["track"])
                return _done(refs, milliseconds)
            if bst.element_key(sources) is None:
                raise ElementError("a source has no ref that can be fetched")
            if job.cache == "away" and self.caching.is_there:
                raise CacheAway("source cache: left alone until it answers again")
            cached = self.caching.have(sources, milliseconds, walk=True)
            directories = self.caching.directories(sources) if cached and job.tells_directories else None
            return replace(
                _done(refs, milliseconds),
                cached=cached,
                element_key=bst.element_key(sources),
                source_keys=tuple(map(bst.source_key, sources.sources())),
                element_directory=None if directories is None else directories.element,
                source_directories=() if directories is None else directories.sources,
            )

    @contextmanager
    def _opened(self, job: Run) -> Iterator[Any]:
        """Give the sources that `job` is for, and let this process connect for them alone, for a `with`
        block."""
        shutil.rmtree(self.folder, ignore_errors=True)
        mirrors = SourceMirrors(Folder.of(self.folder), self.project, self.credentials, _PATIENCE)
        refs = [from_json(source.ref) for source in job.supplied]
        written = [
            {"kind": source.kind, **source.config, **(ref or {})}
            for source, ref in zip(job.supplied, refs, strict=True)
        ]
        try:
            with (
                self._narrowed(),
                keep_mirrors_of(job.element, mirrors),
                made_of(self.context, job.element, written) as element,
            ):
                loaded = bst.sources_of(element)
                for address in (address for source in loaded for address in urls_of(source)):
                    self._require_open(address)
                with mirrors.held(loaded):
                    sources = bst.fresh_sources(element, refs, refs)
                    watch_addresses(sources.sources(), self._require_open)
                    yield sources
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _require_open(self, address: str) -> None:
        why = closed(address, self.rules)
        if why is None and self.credentials.needed_for(address):
            why = "leads to a host that this service has an account for"
        if why is not None:
            raise ElementError(f"{address[:200]!r} {why}")

    @contextmanager
    def _narrowed(self) -> Iterator[None]:
        """Let this process, its children and git connect where a client may lead, for a `with` block."""
        named, protocols = read_named(), os.environ[_PROTOCOLS]
        # `file` is for plugins, which stage by cloning their own mirrors: as an address git refuses it.
        os.environ[_PROTOCOLS] = "https:http:file" if self.rules.plain else "https:file"
        write_named(self.rules.hosts | of_operator((), ()))
        close_idle()  # or one to a host that the project alone may reach would serve a client, unjudged
        try:
            yield
        finally:
            write_named(named)
            os.environ[_PROTOCOLS] = protocols


def _done(refs: tuple[SourceRef, ...], milliseconds: dict[str, float]) -> Done:
    return Done(
        refs=refs, cached=False, element_key=None, source_keys=(), milliseconds=milliseconds, descends={}
    )
