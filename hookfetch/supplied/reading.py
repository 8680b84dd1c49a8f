"""Reads the text of an element that a client brings. Pure: nothing is resolved, included or loaded.

What has no say in its sources (`depends`, `config`, …) may stand there and is not looked at, since it goes no
further than here.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from hookfetch.core.supplied import NotAllowed, SuppliedRules, SuppliedSource, Wants
from hookfetch.edits import Refused, parse
from hookfetch.supplied.kinds import COMMON, KINDS, MODULE
from hookfetch.supplied.patterns import Check, directory

MAX_BYTES = 64 * 1024
MAX_SOURCES = 20
_MAX_MODULES = 50

_NOT_LOOKED_AT = frozenset(
    {
        *("description", "depends", "build-depends", "runtime-depends", "config", "public"),
        *("environment", "environment-nocache", "sandbox"),
    }
)
# Of these kinds BuildStream loads a project with them.
_LEADING_ELSEWHERE = frozenset({"junction", "link"})
_PLAIN_KIND = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.@?<>=!(){}-]{1,64}")
# BuildStream's directives are `(@)`, `(?)`, `(!)`, `(>)`, `(<)` and `(=)`; these only join lists.
_DIRECTIVE = re.compile(r"\(.*\)")
_JOINING = frozenset({"(>)", "(<)", "(=)"})


def read(text: str, rules: SuppliedRules, wants: Wants) -> tuple[SuppliedSource, ...]:
    """Return the sources of the element in `text`, each with its ref if they are to be fetched; NotAllowed
    when it has anything that no client may bring."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise NotAllowed("", f"has more than {MAX_BYTES} bytes")
    try:
        element = parse(text).value
    except Refused as error:
        raise NotAllowed("", str(error)) from error
    for key, value in element.items():
        if key not in ("kind", "sources"):
            _require_ignorable(key, value)
    kind = element.get("kind")
    if not isinstance(kind, str) or not _PLAIN_KIND.fullmatch(kind):
        raise NotAllowed("kind", "is not the name of a kind of elements")
    if kind in _LEADING_ELSEWHERE:
        raise NotAllowed("kind", f"a {kind} leads to other projects")
    sources = element.get("sources")
    if not isinstance(sources, list) or not sources:
        raise NotAllowed("sources", "is not a list of sources")
    if len(sources) > MAX_SOURCES:
        raise NotAllowed("sources", f"has more than {MAX_SOURCES} sources")
    return tuple(_source(f"sources[{index}]", source, rules, wants) for index, source in enumerate(sources))


def _require_ignorable(key: str, value: Any) -> None:
    place = _below("", key)
    if key not in _NOT_LOOKED_AT:
        raise NotAllowed(place, "may not stand in an element that a client brings")
    waiting = [(place, value)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            for inner, found in value.items():
                if _DIRECTIVE.fullmatch(inner) and inner not in _JOINING:
                    raise NotAllowed(_below(place, inner), "includes and conditions are not read")
                waiting.append((_below(place, inner), found))
        elif isinstance(value, list):
            waiting += [(f"{place}[{index}]", found) for index, found in enumerate(value)]


def _source(place: str, value: Any, rules: SuppliedRules, wants: Wants) -> SuppliedSource:
    if not isinstance(value, dict):
        raise NotAllowed(place, "is not a source")
    name = value.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) and name in rules.kinds else None
    if kind is None:
        allowed = ", ".join(sorted(rules.kinds)) or "none: the project takes no elements of clients"
        raise NotAllowed(f"{place}.kind", f"is not among {allowed}")
    checks = {**COMMON, **kind.keys, "ref": kind.ref}
    config: dict[str, JsonValue] = {}
    for key, found in value.items():
        if key == "kind":
            continue
        if key == "submodules" and kind.submodules:
            config[key] = _modules(_below(place, key), found)
        else:
            config[key] = _checked(place, key, found, checks)
    if "url" not in config:
        raise NotAllowed(f"{place}.url", "has to be there")
    ref = config.pop("ref", None)
    if ref is None and wants == "fetch":
        raise NotAllowed(f"{place}.ref", "has to be there for sources that are to be fetched")
    return SuppliedSource(kind=str(name), config=config, ref=ref)


def _modules(place: str, value: Any) -> JsonValue:
    if not isinstance(value, dict) or len(value) > _MAX_MODULES:
        raise NotAllowed(place, f"is not a mapping of at most {_MAX_MODULES} submodules")
    modules: dict[str, JsonValue] = {}
    for path, module in value.items():
        try:
            directory(path)
        except ValueError as error:
            raise NotAllowed(place, f"a path in it {error}") from error
        if not isinstance(module, dict):
            raise NotAllowed(f"{place}[{path}]", "is not a mapping")
        here = f"{place}[{path}]"
        modules[path] = {key: _checked(here, key, found, MODULE) for key, found in module.items()}
    return modules


def _checked(place: str, key: str, value: Any, checks: Mapping[str, Check]) -> JsonValue:
    here = _below(place, key)
    check = checks.get(key)
    if check is None:
        raise NotAllowed(here, f"is not among {', '.join(sorted(checks))}")
    try:
        return check(value)
    except ValueError as error:
        raise NotAllowed(here, str(error)) from error


def _below(place: str, key: str) -> str:
    # The place is shown, logged and sent in trailers: nothing of a client's choice but plain characters.
    shown = key if _PLAIN_KEY.fullmatch(key) else "?"
    return f"{place}.{shown}" if place else shown
