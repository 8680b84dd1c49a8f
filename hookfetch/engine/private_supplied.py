"""An element that no file of the project has, in a loaded project, and its end: private names of BuildStream,
as in `private_api`, and nothing that decides. No file is read or written.
"""
# ruff: noqa: SLF001 - this module is one of the places for it

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from buildstream._loader import LoadElement
from buildstream._projectrefs import ProjectRefStorage
from buildstream.element import Element
from buildstream.node import Node
from pydantic import JsonValue


@contextmanager
def made_of(context: Any, name: str, sources: Sequence[Mapping[str, JsonValue]]) -> Iterator[Any]:
    """Give an element of the kind `import` with `sources` in the loaded project of `context`, for a `with`
    block; as BuildStream and its plugins raise. The project does not know it, during the block or after, and
    it knows none of the project's mirrors."""
    project = context.get_toplevel_project()
    context.messenger.setup_new_action_context("load", name, None)
    node = Node.from_dict({"kind": "import", "sources": [dict(source) for source in sources]})
    # Neither the loader's table nor the class's: the collector takes it as soon as nobody has it.
    loaded = LoadElement(node, name, project.loader)
    element = project.create_element(loaded)
    try:
        with _without_mirrors(project):
            element._Element__load_sources(loaded)
            yield element
    finally:
        _forget_refs(project, name)


@contextmanager
def _without_mirrors(project: Any) -> Iterator[None]:
    every = project.get_alias_uris

    def own(alias: str, **how: bool) -> Any:
        # What the alias itself stands for comes last, whether for fetching or for tracking.
        return every(alias, **how)[-1:]

    project.get_alias_uris = own
    try:
        yield
    finally:
        del project.get_alias_uris


def _forget_refs(project: Any, name: str) -> None:
    """Remove what BuildStream and `private_api.fresh_sources` remember of this element where refs
    of the project stand in project.refs."""
    redundant = Element._get_redundant_source_refs()
    redundant[:] = [each for each in redundant if each[0]._Source__element_name != name]
    if project.ref_storage == ProjectRefStorage.PROJECT_REFS:
        known = project.refs._toplevel_node.get_mapping("projects").get_mapping(project.name, default=None)
        if known is not None:
            known.safe_del(name)
