"""Looks at the upstreams of git sources: for a job, and for jobs that wait for their turn, so that their
upstreams answer meanwhile. What a source's ref is now its plugin alone decides.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from buildstream_plugins_community.sources._git_utils import (  # type: ignore[import-untyped]
    get_authenticated_transport_and_path,
    get_matching_refs,
    version_sort_key,
)

from hookfetch.engine.fetching.recorded import Greetings, Record, recording, replaying
from hookfetch.engine.messages import LOOKED_AT
from hookfetch.engine.mirrors import bring, bring_all, mirror_and_url

_greetings = Greetings()

_NONE: Mapping[str, str] = {}


class Look:
    """What the upstreams of `sources` answered when this was made. Blocks; their failures are kept for the
    plugins to be told."""

    def __init__(self, sources: Iterable[Any]) -> None:
        self._record: Record = {}
        tracked = [source for source in sources if source.get_kind() in LOOKED_AT and source.tracking]
        self._sources = [source for source in tracked if source.get_kind() == "git_repo"]
        self._cloned = [source for source in tracked if source.get_kind() != "git_repo"]
        self._refs: dict[str, Mapping[str, str]] = {}
        for source in tracked:
            _, url = mirror_and_url(source)
            if url not in self._refs and url.startswith(("http://", "https://")):
                self._refs[url] = _ask(url, self._record)

    def refs_at(self, url: str) -> Mapping[str, str]:
        """Return what each full ref of the repository at `url` is; empty if that was not told."""
        return self._refs.get(url, _NONE)

    def told(self) -> AbstractContextManager[None]:
        """Have the plugins that ask for refs be told them, in this thread, for a `with` block."""
        return replaying(self._record, self._sources)

    def bring(self) -> None:
        """Have what the plugins will choose in the mirrors, as far as that is quick. Only for who holds them
        alone."""
        for source in self._sources:
            refs = self.refs_at(mirror_and_url(source)[1])
            found = get_matching_refs([ref.encode() for ref in refs], source.tracking, source.exclude)
            if found:
                bring(source, max(found, key=version_sort_key).decode(), refs)
        for source in self._cloned:
            bring_all(source, self.refs_at(mirror_and_url(source)[1]))


def _ask(url: str, record: Record) -> Mapping[str, str]:
    refs = None
    with recording(_greetings) as recorder:
        try:
            refs = _refs(url)
        except Exception:  # noqa: BLE001 - what dulwich raises, it raises at the plugin again, which knows it
            if recorder.remembered:  # it may be that alone
                _greetings.forget(url)
    if refs is None and recorder.remembered:
        return _ask(url, record)
    record.update(recorder.answers)
    return _NONE if refs is None else refs


def _refs(url: str) -> Mapping[str, str]:
    client, path = get_authenticated_transport_and_path(url)
    found = client.get_refs(path).refs
    # A name that is no UTF-8 is none that anybody follows, and no reason not to know the others.
    names = {ref: ref.decode(errors="replace") for ref in found if found[ref] is not None}
    return {name: found[ref].decode() for ref, name in names.items() if name.encode() == ref}
