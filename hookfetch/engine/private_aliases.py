"""What aliases stand for: private names of BuildStream, as in `private_api`, and nothing that decides."""
# ruff: noqa: SLF001 - this module is one of the places for it

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

AtMirrors = Mapping[str, tuple[str, ...]] | None


def alias_tables(elements: Iterable[Any]) -> Iterator[tuple[Any, dict[str, str], dict[str, AtMirrors]]]:
    """Yield each project of elements with what its aliases stand for, and its mirrors by name: what each
    alias stands for there, None where a plugin makes each address anew."""
    for project in dict.fromkeys(element._get_project() for element in elements):
        aliases: dict[str, str] = {}
        mirrors: dict[str, AtMirrors] = {}
        for config in (project.first_pass_config, project.config):
            for alias in config._aliases.keys() if config._aliases else ():
                aliases[alias] = config._aliases.get_str(alias)
            for name, mirror in config.mirrors.items():
                known = mirror._aliases if mirror.get_kind() == "default" else None
                mirrors[name] = known and {alias: tuple(places) for alias, places in known.items()}
        yield project, aliases, mirrors


def alias_of(source: Any) -> tuple[Any, str | None]:
    """Return the alias that a source's URL begins with, and the project that says what it stands for: behind
    a junction that may be another one's, under another name."""
    project, alias = source._get_project(), source._get_alias()
    while alias and project.junction and (parents := project.junction.get_parent_alias(alias)):
        project, alias = project.junction._get_project(), parents
    return project, alias
