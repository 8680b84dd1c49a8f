"""When is work due, and which rule is an element's?"""

from typing import Any

import pytest

from hookfetch.core.policy import MOST_DEBOUNCES, ElementPolicy, Policy, PolicyKeys, PolicyRule, compiled


def rule(glob: str, **keys: Any) -> PolicyRule:
    return PolicyRule(elements=(glob,), keys=PolicyKeys(**keys))


def test_without_a_policy_work_is_due_at_once_branches_are_followed_and_tags_held() -> None:
    policy = Policy().of("a.bst")
    assert policy.due(100.0, 100.0, 99.0) == 100.0
    assert [policy.holds(kind) for kind in ("branch_rewound", "branch_deleted")] == [False, False]
    assert [policy.holds(kind) for kind in ("tag_moved", "tag_deleted")] == [True, True]


def test_of_a_places_rules_the_first_that_matches_speaks() -> None:
    policy = Policy(
        configured=compiled(
            [
                rule("core/*.bst", debounce=1.0),
                rule("**.bst", debounce=2.0, minimum_interval=3.0),
            ]
        )
    )
    assert policy.of("core/a.bst") == ElementPolicy(debounce=1.0)
    assert policy.of("core/deep/a.bst") == ElementPolicy(debounce=2.0, minimum_interval=3.0)
    assert policy.of("a.txt") == ElementPolicy()


@pytest.mark.parametrize(
    ("configured", "project", "own", "holds"),
    [
        ({}, {}, {}, {}),
        ({"debounce": 1.0}, {}, {}, {"debounce": 1.0}),
        ({"debounce": 1.0}, {"debounce": 2.0}, {}, {"debounce": 2.0}),
        ({"debounce": 1.0}, {"debounce": 2.0}, {"debounce": 3.0}, {"debounce": 3.0}),
        ({"debounce": 1.0}, {}, {"debounce": 0.0}, {"debounce": 0.0}),
        ({"pin": True}, {}, {"pin": False}, {}),
        ({"moved_tag": "follow"}, {"moved_tag": "hold"}, {}, {"moved_tag": "hold"}),
        (
            {"minimum_age": 9.0},
            {"ignore": True},
            {"pin": True},
            {"minimum_age": 9.0, "ignore": True, "pin": True},
        ),
    ],
)
def test_the_nearest_place_that_says_a_key_has_it(
    configured: dict[str, Any], project: dict[str, Any], own: dict[str, Any], holds: dict[str, Any]
) -> None:
    policy = Policy(
        configured=compiled([rule("a.bst", **configured)]),
        project=compiled([rule("a.bst", **project)]),
        own={"a.bst": PolicyKeys(**own)},
    )
    assert policy.of("a.bst") == ElementPolicy(**holds)
    assert policy.of("other.bst") == ElementPolicy()


@pytest.mark.parametrize(
    ("configured", "project", "own", "why"),
    [
        ({}, {}, {"debounce": 1.0}, None),
        ({"pin": True}, {}, {"pin": False}, None),
        ({"pin": True}, {}, {}, "a.bst is pinned by the configuration"),
        ({"pin": True}, {"pin": True}, {"debounce": 1.0}, "a.bst is pinned by hookfetch.toml"),
        ({"pin": True}, {"ignore": True}, {}, "a.bst is ignored by hookfetch.toml"),
        ({"pin": True}, {}, {"pin": True}, "a.bst is pinned by its own public data"),
    ],
)
def test_whoever_asks_is_told_by_whose_word_an_element_stays(
    configured: dict[str, Any], project: dict[str, Any], own: dict[str, Any], why: str | None
) -> None:
    policy = Policy(
        configured=compiled([rule("a.bst", **configured)]),
        project=compiled([rule("a.bst", **project)]),
        own={"a.bst": PolicyKeys(**own)},
    )
    assert policy.stays("a.bst") == why


def test_each_event_postpones_the_work_but_a_stream_of_them_does_not_starve_it() -> None:
    policy = ElementPolicy(debounce=10.0)
    assert policy.due(0.0, 0.0, None) == 10.0
    assert policy.due(9.0, 0.0, None) == 19.0
    assert policy.due(99.0, 0.0, None) == 10.0 * MOST_DEBOUNCES
    assert policy.due(1000.0, 0.0, None) == 10.0 * MOST_DEBOUNCES


@pytest.mark.parametrize(("now", "due"), [(5.0, 60.0), (59.0, 60.0), (61.0, 61.0)])
def test_two_background_jobs_start_no_closer_than_the_interval(now: float, due: float) -> None:
    assert ElementPolicy(minimum_interval=60.0).due(now, now, 0.0) == due


@pytest.mark.parametrize(
    ("released", "due"),
    [(None, 100.0), (0.0, 100.0), (90.0, 150.0), (100.0, 160.0)],
)
def test_a_release_is_let_in_once_it_has_the_age(released: float | None, due: float) -> None:
    assert ElementPolicy(minimum_age=60.0).due(100.0, 100.0, None, released) == due
