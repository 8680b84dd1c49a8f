"""How what is cached under a key can be made again: which element, of which revision, with which refs. Pure.

A recipe's job stands in the table of jobs under a name of its own, so that it is in no way of the
element's: it moves no ref.
"""

from dataclasses import dataclass

from hookfetch.core.events import SourceRef

_SEPARATOR = "|"  # in no name of an element: BuildStream refuses it


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Fetch `element` as of the project's commit `revision` (None: of a checkout) with `refs`."""

    element: str
    revision: str | None
    refs: tuple[SourceRef, ...]


def job_name(element: str, key: str) -> str:
    """Return the name under which the job stands that makes `key` of `element`."""
    return f"{element}{_SEPARATOR}{key}"


def key_of(name: str) -> str | None:
    """Return the key that the job of this name makes, None when it is an element's own job."""
    return name.partition(_SEPARATOR)[2] or None
