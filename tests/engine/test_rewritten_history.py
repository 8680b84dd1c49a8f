"""Does a new commit descend from the one before? Asked of BuildStream's own mirrors, all real."""

import pytest

from hookfetch.core.events import SourceRef
from tests.engine.lab import Bench

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize("kind", ["git_repo", "git", "git_tag"])
async def test_a_push_descends_and_a_forced_one_does_not(kind: str, bench: Bench) -> None:
    lab = bench.lab
    repository = lab.repository("glib")
    root = repository.commit_of("refs/heads/main")
    lab.element("glib.bst", {"kind": kind, "url": "up:glib.git", "track": "main"})
    repository.commit({"number": "1"}, "one")
    first = await bench.run("glib.bst")
    repository.commit({"number": "2"}, "two")
    second = await bench.run("glib.bst", refs=first.refs)
    assert root is not None
    repository.point("refs/heads/main", root)
    repository.commit({"number": "3"}, "another history")
    forced = await bench.run("glib.bst", refs=second.refs)
    again = await bench.run("glib.bst", refs=forced.refs)

    assert second.descends == {0: True}
    assert forced.descends == {0: False}
    assert again.descends == {}
    assert forced.refs[0].ref != second.refs[0].ref


async def test_what_cannot_be_known_is_not_said(bench: Bench) -> None:
    lab = bench.lab
    repository = lab.repository("glib")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})
    repository.commit({"number": "1"}, "one")
    await bench.run("glib.bst")
    lost = SourceRef(index=0, kind="git_repo", url=None, ref="1" * 40)
    repository.commit({"number": "2"}, "two")
    assert (await bench.run("glib.bst", refs=(lost,))).descends == {}
