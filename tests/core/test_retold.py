"""Which of the known rewrites does someone tell of again?"""

from dataclasses import replace

import pytest

from hookfetch.core.repository import RepositoryId
from hookfetch.core.rewrites import ENGINE, Rewrite, retold

SWEEP = "sweep/example.org/a/look#0"


def rewrite(before: str | None, after: str | None, *told_by: str, past: bool = False) -> Rewrite:
    return Rewrite(
        element="a.bst",
        repository=RepositoryId("example.org/a"),
        ref="refs/heads/main",
        kind="branch_rewound" if after else "branch_deleted",
        before=before,
        after=after,
        target=after,
        held=False,
        past=past,
        told_by=told_by,
        number=1,
    )


@pytest.mark.parametrize("by", ["hook/2#0", SWEEP, ENGINE])
def test_another_one_tells_of_what_is_known(by: str) -> None:
    known = rewrite("1", "2", "system/1#0")
    assert retold(rewrite("1", "2"), by, [known]) == known
    assert retold(rewrite("0", "2"), by, [known]) == known
    assert retold(rewrite("1", "3"), by, [known]) == known


def test_the_engine_sees_where_an_element_was_and_where_the_upstream_went_on_to() -> None:
    by_hook, by_engine = rewrite("1", "2", "hook/1#0"), rewrite("0", "3", ENGINE)
    assert retold(rewrite("0", "3"), ENGINE, [by_hook]) == by_hook
    assert retold(rewrite("1", "2"), "hook/1#0", [by_engine]) == by_engine
    assert retold(rewrite("0", "3"), "system/1#0", [by_hook]) is None


def test_what_begins_where_a_known_one_ended_is_another() -> None:
    assert retold(rewrite("2", "3"), "hook/2#0", [rewrite("1", "2", ENGINE)]) is None


def test_only_a_hook_may_tell_of_what_the_element_has_moved_on_from() -> None:
    known = rewrite("1", "2", "system/1#0", past=True)
    assert retold(rewrite("1", "2"), "hook/2#0", [known]) == known
    for by in (ENGINE, SWEEP):
        assert retold(rewrite("1", "2"), by, [known]) is None


def test_there_and_back_and_there_again_by_one_hook_are_three_and_a_replay_is_none() -> None:
    there, back = rewrite("1", "2", "hook/1#0"), replace(rewrite("2", "1", "hook/2#0"), number=2)
    assert retold(rewrite("1", "2"), "hook/3#0", [there, back]) is None
    assert retold(rewrite("1", "2"), "hook/1~4#0", [there, back]) == there


def test_the_engine_s_daily_look_at_what_is_held_is_no_news() -> None:
    known = rewrite("1", "2", ENGINE)
    assert retold(rewrite("1", "2"), ENGINE, [known]) == known
    assert retold(rewrite("1", "3"), ENGINE, [known]) == known
    assert retold(rewrite("1", "2"), ENGINE, [replace(known, past=True)]) is None
    assert retold(rewrite("0", "3"), ENGINE, [rewrite("1", "2", "hook/1#0", ENGINE)]) is not None


def test_a_ref_that_goes_again_after_it_came_back_is_another() -> None:
    known = rewrite("1", None, "hook/1#0")
    assert retold(rewrite("1", None), "hook/2#0", [known]) == known
    assert retold(rewrite("0", None), SWEEP, [known]) == known
    assert retold(rewrite("1", None), "hook/2#0", [replace(known, past=True)]) is None
    assert retold(rewrite("1", "2"), "hook/2#0", [known]) is None
