"""Recipes in the store, by the keys that they make; the least recently used go first."""

import sqlite3
from collections.abc import Iterable, Iterator

from pydantic import TypeAdapter

from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import starting_refs
from hookfetch.core.recipes import Recipe
from hookfetch.core.sources import Element

_REFS = TypeAdapter(tuple[SourceRef, ...])
_PUT = (
    "INSERT INTO recipes VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
    " element = excluded.element, revision = excluded.revision, refs = excluded.refs,"
    " used_at = excluded.used_at"
)


def remember(db: sqlite3.Connection, keys: Iterable[str], recipe: Recipe, now: float) -> None:
    """Store that `recipe` makes what is cached under each of `keys`; the newest one that does counts."""
    db.executemany(_PUT, _rows(keys, recipe, now))


def remember_committed(
    db: sqlite3.Connection, elements: Iterable[Element], revision: str | None, now: float
) -> None:
    """Store how the committed sources of loaded `elements` are made, as far as their keys are known."""
    committed = (
        (each.keys, Recipe(element=each.name, revision=revision, refs=starting_refs(each, {})))
        for each in elements
        if each.keys
    )
    db.executemany(_PUT, (row for keys, recipe in committed for row in _rows(keys, recipe, now)))


def _rows(keys: Iterable[str], recipe: Recipe, now: float) -> Iterator[tuple[object, ...]]:
    refs = _REFS.dump_json(recipe.refs).decode()
    return ((key, recipe.element, recipe.revision, refs, now) for key in keys)


def find(db: sqlite3.Connection, key: str) -> Recipe | None:
    """Return the recipe that makes `key`, or None."""
    row = db.execute("SELECT element, revision, refs FROM recipes WHERE key = ?", (key,)).fetchone()
    return None if row is None else Recipe(element=row[0], revision=row[1], refs=_REFS.validate_json(row[2]))


def compact(db: sqlite3.Connection, keep: int) -> None:
    """Drop all but the `keep` recipes used last."""
    db.execute(
        "DELETE FROM recipes WHERE key IN (SELECT key FROM recipes ORDER BY used_at DESC LIMIT -1 OFFSET ?)",
        (keep,),
    )
