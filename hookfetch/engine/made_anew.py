"""An element's sources made anew for a job: with the refs, and of a newer version the URLs, that it has them
begin with."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from hookfetch.core.errors import ElementError
from hookfetch.core.events import SourceRef
from hookfetch.core.moves import SourceMove
from hookfetch.core.refs import from_json
from hookfetch.engine import private_api as bst
from hookfetch.engine.addresses import is_remote, require_remote
from hookfetch.engine.describing import urls_of
from hookfetch.engine.private_mirrors import watch_addresses


def all_remote(element: Any) -> bool:
    """Return whether all URLs of an element's sources are other machines'."""
    return all(is_remote(url) for source in bst.sources_of(element) for url in urls_of(source))


def require_all_remote(name: str, element: Any) -> None:
    """Return if they are; ElementError that says which is not."""
    for index, source in enumerate(bst.sources_of(element)):
        if not all(map(is_remote, urls_of(source))):
            what = f"source {index} ({source.get_kind()})"
            raise ElementError(f"{name}: the url of {what} is no address of another machine")


def fresh_sources(
    name: str,
    element: Any,
    keys: Sequence[bst.RefKeys | None],
    committed: Sequence[bst.RefKeys | None],
    given: Mapping[int, Mapping[str, str]] = MappingProxyType({}),
) -> Any:
    """Return the sources of the element `name`, which use no address that is not another machine's; the rest
    is as in `private_api.fresh_sources`."""
    sources = bst.fresh_sources(element, keys, committed, given)
    watch_addresses(sources.sources(), partial(require_remote, name))
    return sources


def starting_refs(
    committed: Sequence[bst.RefKeys | None], refs: tuple[SourceRef, ...]
) -> list[bst.RefKeys | None]:
    """Return the ref of each source that a job begins with; ElementError for one of no source."""
    keys = list(committed)
    for ref in refs:
        if not 0 <= ref.index < len(keys):
            raise ElementError(f"a ref for source {ref.index} of {len(keys)}")
        if ref.ref is not None:
            keys[ref.index] = from_json(ref.ref)
    return keys


def given(moves: Mapping[int, SourceMove]) -> dict[int, Mapping[str, str]]:
    """Return which keys BuildStream is given in place of loaded ones, by source."""
    return {index: move.given for index, move in moves.items()}
