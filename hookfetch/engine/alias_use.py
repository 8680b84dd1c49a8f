"""Which addresses do the loaded projects write in short, and what is kept of what is there? It is what a
client has to know to ask for originals.
"""

from collections.abc import Iterable
from typing import Any

from hookfetch.core.sources import Alias, Aliases
from hookfetch.engine import private_api as bst
from hookfetch.engine.mirrors import HAVE_MIRRORS
from hookfetch.engine.private_aliases import alias_of, alias_tables
from hookfetch.engine.private_mirrors import file_directory


def aliases_in(elements: Iterable[Any], first: Any) -> tuple[Aliases, ...]:
    """Return the aliases of each project that loaded elements are of, those of the project `first` first. A
    project that is there twice, behind two junctions, is told of once."""
    elements = tuple(elements)
    uses: dict[tuple[Any, str | None], set[str]] = {}
    for element in elements:
        for source in bst.sources_of(element):
            if (kept_as := _kept_as(source)) is not None:
                uses.setdefault(alias_of(source), set()).add(kept_as)
    found: dict[str, Aliases] = {}
    tables = sorted(alias_tables(elements), key=lambda table: (table[0] is not first, table[0].name))
    for project, addresses, mirrors in tables:
        known = tuple(
            Alias(
                name=name, address=address, kept_as=tuple(sorted(uses.get((project, name), ()), reverse=True))
            )
            for name, address in sorted(addresses.items())
        )
        found.setdefault(project.name, Aliases(project=project.name, aliases=known, mirrors=mirrors))
    return tuple(found.values())


def _kept_as(source: Any) -> str | None:
    if source.get_kind() in HAVE_MIRRORS:
        return "git"
    return None if file_directory(source) is None else "files"
