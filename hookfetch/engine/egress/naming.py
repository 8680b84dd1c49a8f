"""Which places do the elements of a loaded project name? What its maintainers wrote: aliases, mirrors, and
each address in a source's configuration. Not what stands in a ref: that is written by tracking, from what an
upstream says (cargo2's crates come from its lock file).
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import JsonValue

from hookfetch.core.egress import Place, named_by
from hookfetch.engine import private_api as bst
from hookfetch.engine.private_aliases import alias_tables


def places_of(elements: Iterable[Any]) -> frozenset[Place]:
    """Return the places that elements, and the projects they are of, name; but those at a mirror of a plugin,
    which only `describing.urls_of` tells."""
    elements = tuple(elements)
    aliases = _aliases_of(elements)
    written = {base for bases in aliases.values() for base in bases}
    for element in elements:
        for source in bst.sources_of(element):
            for text in _texts(bst.configuration(source).strip_node_info()):
                written.update(_resolved(text, aliases))
    return frozenset(place for address in written for place in named_by(address))


def _aliases_of(elements: Iterable[Any]) -> dict[str, set[str]]:
    """Return what aliases of these names stand for, in any of the projects and at any of the mirrors."""
    found: dict[str, set[str]] = {}
    for _, addresses, mirrors in alias_tables(elements):
        for alias, address in addresses.items():
            found.setdefault(alias, set()).add(address)
        for mirrored in mirrors.values():
            for alias, bases in (mirrored or {}).items():
                found.setdefault(alias, set()).update(bases)
    return found


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        if ":" in value:
            yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key != "ref":
                yield from _texts(each)


def _resolved(text: str, aliases: dict[str, set[str]]) -> Iterator[str]:
    alias, _, rest = text.partition(":")
    if alias not in aliases:
        yield text
        return
    for base in aliases[alias]:
        if base.count("/") < 3:  # its host may go on: of others the base is enough
            yield base + rest
