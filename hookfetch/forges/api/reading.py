"""Fields of a forge's answers, checked once, so that an unexpected answer is one line. Pure."""

from collections.abc import Mapping
from typing import Any

from hookfetch.core.errors import Permanent

Fields = Mapping[str, Any]


def number(fields: Fields, name: str) -> int:
    """Return an integer; Permanent when it is none."""
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Permanent(f"the forge's answer has no number {name!r}: is hook.api.url the address of its API?")
    return value


def section(fields: Fields, name: str) -> Fields:
    """Return an object, empty when there is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def text(fields: Fields, name: str) -> str | None:
    """Return a string with something in it, or None."""
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def names(fields: Fields, name: str) -> frozenset[str]:
    """Return the strings of a list."""
    value = fields.get(name)
    return (
        frozenset(item for item in value if isinstance(item, str)) if isinstance(value, list) else frozenset()
    )
