"""A person's word on an element that rewritten history holds: a retry looks again, a release follows."""

from collections.abc import Iterator

import pytest

from hookfetch.core.entries import AlarmRaised
from hookfetch.core.operator_requests import ReleaseRequested, RetryRequested
from tests.coordinator.upstream_model import FIRST, MAIN, UpstreamModel


@pytest.fixture
def upstream() -> Iterator[UpstreamModel]:
    model = UpstreamModel()
    model.begin(0.0, 0.0, "hold", "hold")
    yield model
    model.db.close()


def rewind(model: UpstreamModel) -> str:
    """Force the branch to a commit that does not descend from the announced one."""
    commit = model.commit(FIRST)
    model.move(MAIN, commit, forced=True)
    model.handle(model.undelivered.pop())
    model.settle()
    return commit


def held(model: UpstreamModel) -> tuple[str, str]:
    """Have `branch.bst` held; return the announced commit and the one that is not followed."""
    there = model.commit(FIRST)
    model.move(MAIN, there, forced=False)
    model.handle(model.undelivered.pop())
    model.settle()
    rewound = rewind(model)
    assert model.announced("branch.bst") == there
    assert model.rows("SELECT element, held FROM jobs") == [("branch.bst", 1)]
    return there, rewound


def alarms(model: UpstreamModel) -> int:
    return sum(isinstance(entry, AlarmRaised) for entry in model.entries())


def test_a_retry_looks_again_and_stays_held(upstream: UpstreamModel) -> None:
    there, _ = held(upstream)
    upstream.handle(RetryRequested(id="r", elements="branch.bst"))
    upstream.hand_out(1.0)
    assert [due.element for due, *_ in upstream.running.values()] == ["branch.bst"]
    upstream.settle()
    assert upstream.announced("branch.bst") == there
    assert upstream.rows("SELECT held FROM jobs") == [(1,)]
    assert upstream.rows("SELECT outcome FROM events WHERE id = 'r'") == [("done",)]


def test_a_release_follows_and_says_whose_word_it_was(upstream: UpstreamModel) -> None:
    _, rewound = held(upstream)
    upstream.handle(ReleaseRequested(id="r", elements="branch.*"))
    upstream.settle()
    assert upstream.announced("branch.bst") == rewound
    assert upstream.rows("SELECT * FROM jobs") == []
    assert "r" in upstream.entries()[-1].causes
    assert alarms(upstream) == 1


def test_a_release_outlives_whoever_had_its_job(upstream: UpstreamModel) -> None:
    _, rewound = held(upstream)
    upstream.handle(ReleaseRequested(id="r", elements="branch.bst"))
    upstream.hand_out(1.0)
    upstream.restart()  # whoever had the job is gone
    upstream.settle()
    assert upstream.announced("branch.bst") == rewound


def test_what_is_rewritten_after_a_release_is_held_again(upstream: UpstreamModel) -> None:
    _, rewound = held(upstream)
    upstream.handle(ReleaseRequested(id="r", elements="branch.bst"))
    upstream.settle()
    rewind(upstream)
    assert upstream.announced("branch.bst") == rewound
    assert alarms(upstream) == 2


def test_a_repeated_release_changes_nothing(upstream: UpstreamModel) -> None:
    held(upstream)
    upstream.handle(ReleaseRequested(id="r", elements="branch.bst"))
    before = upstream.rows("SELECT * FROM jobs"), upstream.rows("SELECT * FROM rewrites")
    upstream.handle(ReleaseRequested(id="r", elements="branch.bst"))
    assert before == (upstream.rows("SELECT * FROM jobs"), upstream.rows("SELECT * FROM rewrites"))
