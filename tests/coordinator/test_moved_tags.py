"""A tag that an element is on by a glob moves without a word: the sweep sees it, and the element is held."""

from collections.abc import Iterator

import pytest

from hookfetch.core.entries import AlarmRaised
from tests.coordinator.upstream_model import FIRST, UpstreamModel


@pytest.fixture
def upstream() -> Iterator[UpstreamModel]:
    """An upstream that was swept, with `tags.bst` on v1 by the glob `v*`."""
    model = UpstreamModel()
    model.begin(0.0, 0.0, "follow", "hold")
    yield model
    model.db.close()


def alarms(model: UpstreamModel) -> list[tuple[str, str | None, str | None, bool]]:
    return [
        (entry.element, entry.before, entry.after, entry.followed)
        for entry in model.entries()
        if isinstance(entry, AlarmRaised)
    ]


def move_in_silence(model: UpstreamModel, ref: str) -> tuple[str, str]:
    before = model.heads[ref]
    model.heads[ref] = model.commit(FIRST)
    model.sweep()
    model.settle()
    return before, model.heads[ref]


def test_a_tag_that_was_swept(upstream: UpstreamModel) -> None:
    before, after = move_in_silence(upstream, "refs/tags/v1")
    assert alarms(upstream) == [("tags.bst", before, after, False)]
    assert upstream.announced("tags.bst") == before


def test_a_tag_that_only_its_forge_told_of(upstream: UpstreamModel) -> None:
    newer = upstream.commit(FIRST)
    upstream.move("refs/tags/v2", newer, forced=None)
    upstream.handle(upstream.undelivered.pop())
    upstream.settle()
    assert (upstream.announced("tags.bst"), alarms(upstream)) == (newer, [])
    before, after = move_in_silence(upstream, "refs/tags/v2")
    assert alarms(upstream) == [("tags.bst", newer, after, False)]
    assert upstream.announced("tags.bst") == before == newer


def test_another_tag_than_the_one_that_the_element_is_on_is_no_alarm(upstream: UpstreamModel) -> None:
    upstream.heads["refs/tags/v2"] = upstream.commit(FIRST)
    upstream.sweep()
    upstream.settle()
    move_in_silence(upstream, "refs/tags/v1")
    assert alarms(upstream) == []
    assert upstream.announced("tags.bst") == upstream.heads["refs/tags/v2"]


def test_a_push_that_is_taken_for_a_repeat_is_found_by_the_next_look(upstream: UpstreamModel) -> None:
    """Of a forge whose deliveries are known by their bytes, two pushes within a second may look the same."""
    there, back = upstream.commit(FIRST), FIRST
    for commit in (there, back):
        upstream.move("refs/heads/main", commit, forced=False)
        upstream.handle(upstream.undelivered.pop())
        upstream.settle()
    upstream.move("refs/heads/main", there, forced=False)
    upstream.undelivered.clear()
    assert upstream.announced("branch.bst") == back
    upstream.sweep()
    upstream.settle()
    assert upstream.announced("branch.bst") == there
