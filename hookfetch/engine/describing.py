"""A loaded element as values: its sources, what they follow, and its own policy."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import JsonValue

from hookfetch.core.events import SourceRef
from hookfetch.core.moves import SourceMove
from hookfetch.core.refs import to_json
from hookfetch.core.sources import Element, Source
from hookfetch.engine import private_api as bst
from hookfetch.engine.private_loading import committed_keys, public_data
from hookfetch.engine.project_policy import DOMAIN, keys_of

# The keys by which source kinds say what they follow, as their plugins document them.
_TRACKING_KEYS = ("track", "exclude", "track-extra", "match", "ref-format", "path")
_TRACKING_FLAGS = ("track-tags",)
# Kinds with a version in their URL, and the keys by which one says what it is (`DownloadableFileSource`).
_ARCHIVES = frozenset({"tar", "zip", "remote", "deb"})
_VERSION_KEYS = ("version", "version-guess-pattern")


def describe(name: str, element: Any, committed: Sequence[bst.RefKeys | None]) -> Element:
    """Return the element of that full name; `committed` has the ref of each source."""
    policy, mistake = keys_of(name, public_data(element, DOMAIN))
    return Element(
        name=name,
        kind=element.get_kind(),
        sources=tuple(
            _source(index, source, committed[index]) for index, source in enumerate(bst.sources_of(element))
        ),
        policy=policy,
        mistake=mistake,
        keys=committed_keys(element),
    )


def _source(index: int, source: Any, committed: bst.RefKeys | None) -> Source:
    node = bst.configuration(source)
    written = node.strip_node_info()
    track: dict[str, JsonValue] = {key: written[key] for key in _TRACKING_KEYS if key in written}
    track |= {key: node.get_bool(key) for key in _TRACKING_FLAGS if key in written}
    guess = bst.version_guess(source) if source.get_kind() in _ARCHIVES else None
    says_it = any(key in written for key in _VERSION_KEYS)
    return Source(
        index=index,
        kind=source.get_kind(),
        urls=urls_of(source),
        track=track,
        ref=to_json(committed),
        directory=bst.directory_of(source),
        version=guess if says_it else None,
        version_guess=None if says_it else guess,
    )


def report(
    sources: Any,
    keys: Sequence[bst.RefKeys | None],
    moves: Mapping[int, SourceMove] = MappingProxyType({}),
) -> tuple[SourceRef, ...]:
    """Return the refs of an element's `sources` as a job tells them; `keys` has each one's, and `moves` what
    else is not as it was loaded."""
    described = []
    for index, (source, key) in enumerate(zip(sources.sources(), keys, strict=True)):
        url = next(iter(urls_of(source)), None)
        moved = moves.get(index)
        described.append(
            SourceRef(index=index, kind=source.get_kind(), url=url, ref=to_json(key), moved=moved)
        )
    return tuple(described)


def urls_of(source: Any) -> tuple[str, ...]:
    """Return the addresses of a source, its own first; none where it has no URL."""
    url = bst.configuration(source).get_str("url", None)
    return () if url is None else bst.resolved_urls(source, url)
