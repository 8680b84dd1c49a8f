"""Recipes are found by each of their keys, the newest counts, and only so many are kept."""

from pathlib import Path

from hookfetch.core.events import SourceRef
from hookfetch.core.recipes import Recipe
from hookfetch.core.sources import Element, Source
from hookfetch.store import recipes
from hookfetch.store.database import Database


def recipe(revision: str | None, ref: object = "1") -> Recipe:
    refs = (SourceRef(index=0, kind="git", url=None, ref=ref),)  # type: ignore[arg-type] # any JSON
    return Recipe(element="a.bst", revision=revision, refs=refs)


async def test_the_newest_recipe_of_a_key_counts_and_refs_come_back_as_they_were(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.sqlite")
    await database.open()
    structured = recipe(None, {"ref": "1", "tags": [{"tag": "v1", "annotated": "true"}]})
    await database.run(lambda db: recipes.remember(db, ("k", "git/s"), recipe("old"), 1.0))
    await database.run(lambda db: recipes.remember(db, ("k",), structured, 2.0))
    assert await database.run(lambda db: recipes.find(db, "k")) == structured
    assert await database.run(lambda db: recipes.find(db, "git/s")) == recipe("old")
    assert await database.run(lambda db: recipes.find(db, "unknown")) is None
    await database.close()


async def test_of_too_many_those_not_used_for_longest_go_first(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.sqlite")
    await database.open()
    for number in range(5):
        await database.run(lambda db, n=number: recipes.remember(db, (f"k{n}",), recipe("r"), float(n)))
    source = Source(index=0, kind="git", ref="1")
    committed = Element(name="a.bst", kind="import", sources=(source,), keys=("k0",))
    await database.run(lambda db: recipes.remember_committed(db, [committed], "r", 9.0))
    await database.run(lambda db: recipes.compact(db, 3))
    kept = await database.run(lambda db: [n for n in range(5) if recipes.find(db, f"k{n}") is not None])
    assert kept == [0, 3, 4]
    await database.close()
