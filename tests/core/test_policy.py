"""When is work due, and which rule is an element's?"""

import pytest

from hookfetch.core.globs import Glob
from hookfetch.core.policy import MOST_DEBOUNCES, ElementPolicy, Policy


def test_without_a_policy_work_is_due_at_once_branches_are_followed_and_tags_held() -> None:
    policy = Policy().of("a.bst")
    assert policy.due(100.0, 100.0, 99.0) == 100.0
    assert [policy.holds(kind) for kind in ("branch_rewound", "branch_deleted")] == [False, False]
    assert [policy.holds(kind) for kind in ("tag_moved", "tag_deleted")] == [True, True]


def test_the_first_rule_that_matches_holds_whole() -> None:
    rules = [
        ([Glob("core/*.bst")], ElementPolicy(debounce=1.0)),
        ([Glob("**.bst")], ElementPolicy(debounce=2.0, minimum_interval=3.0)),
    ]
    policy = Policy(rules)
    assert policy.of("core/a.bst") == ElementPolicy(debounce=1.0)
    assert policy.of("core/deep/a.bst") == ElementPolicy(debounce=2.0, minimum_interval=3.0)
    assert policy.of("a.txt") == ElementPolicy()


def test_each_event_postpones_the_work_but_a_stream_of_them_does_not_starve_it() -> None:
    policy = ElementPolicy(debounce=10.0)
    assert policy.due(0.0, 0.0, None) == 10.0
    assert policy.due(9.0, 0.0, None) == 19.0
    assert policy.due(99.0, 0.0, None) == 10.0 * MOST_DEBOUNCES
    assert policy.due(1000.0, 0.0, None) == 10.0 * MOST_DEBOUNCES


@pytest.mark.parametrize(("now", "due"), [(5.0, 60.0), (59.0, 60.0), (61.0, 61.0)])
def test_two_background_jobs_start_no_closer_than_the_interval(now: float, due: float) -> None:
    assert ElementPolicy(minimum_interval=60.0).due(now, now, 0.0) == due
