"""What follows from what an upstream is said to have done."""

from dataclasses import replace

import pytest

from hookfetch.core.commands import Conclude, RaiseAlarm, Refresh
from hookfetch.core.events import BranchDeleted, Pinged, ReleasePublished, RepositoryMoved, UpstreamFact
from hookfetch.core.matching import Index
from hookfetch.core.repository import identify
from hookfetch.handlers import decide
from tests.handlers.project import GLIB, HERE, NEW, OLD, State, elements, pushed, tagged


def test_a_push_refreshes_just_the_elements_that_follow_the_branch() -> None:
    assert decide(pushed(), State()) == [Refresh(element="glib.bst")]


@pytest.mark.parametrize("ref", ["refs/heads/wip", "refs/heads/main2", "refs/changes/01/1/1"])
def test_a_push_to_another_ref_affects_nothing(ref: str) -> None:
    [command] = decide(pushed(ref), State())
    assert isinstance(command, Conclude)
    assert command.outcome == "nothing to do"


def test_a_push_to_another_repository_affects_nothing() -> None:
    other = replace(pushed(), repositories=(identify("https://example.org/group/other"),))
    assert elements(decide(other, State())) == []


def test_a_fact_that_names_a_repository_twice_refreshes_an_element_once() -> None:
    twice = replace(pushed(), repositories=(HERE, HERE))
    assert elements(decide(twice, State())) == ["glib.bst"]


def test_a_tag_refreshes_the_elements_whose_glob_it_matches() -> None:
    assert elements(decide(tagged("refs/tags/v2"), State())) == ["tagged.bst"]


def test_a_push_of_the_committed_commit_is_nothing_to_do() -> None:
    assert elements(decide(pushed(after=OLD), State())) == []


def test_a_push_of_the_proposed_commit_is_nothing_to_do_and_one_back_is_an_event() -> None:
    state = State(refs={"glib.bst": {0: NEW}})
    assert elements(decide(pushed(after=NEW), state)) == []
    assert elements(decide(pushed(after=OLD), state)) == ["glib.bst"]


def test_a_push_back_while_the_push_is_worked_on_is_an_event() -> None:
    assert elements(decide(pushed(after=OLD), State(open_jobs=frozenset({"glib.bst"})))) == ["glib.bst"]


def test_a_new_tag_on_a_held_commit_counts_where_tags_are_part_of_the_ref() -> None:
    source = replace(GLIB.sources[0], kind="git", track={"track": "main", "track-tags": True})
    state = State(index=Index.of([replace(GLIB, sources=(source,))]))
    assert elements(decide(tagged("refs/tags/v1.1", OLD), state)) == ["glib.bst"]


def test_a_push_without_a_commit_is_looked_at() -> None:
    assert elements(decide(pushed(after=None), State())) == ["glib.bst"]


def test_a_release_is_its_tag() -> None:
    event = ReleasePublished(id="d#0", delivery_id="d", observed_at=0.0, repositories=(HERE,), tag="v3")
    assert elements(decide(event, State())) == ["tagged.bst"]


@pytest.mark.parametrize("change", [{"action": "deleted"}, {"draft": True}, {"tag": None}])
def test_a_withdrawn_or_unpublished_release_moves_nothing(change: dict[str, object]) -> None:
    event = ReleasePublished(id="d#0", delivery_id="d", observed_at=0.0, repositories=(HERE,), tag="v3")
    assert elements(decide(replace(event, **change), State())) == []


@pytest.mark.parametrize(
    "event",
    [
        BranchDeleted(
            id="d#0", delivery_id="d", observed_at=0.0, repositories=(HERE,), ref="refs/heads/main"
        ),
        RepositoryMoved(id="d#0", delivery_id="d", observed_at=0.0, repositories=(HERE,)),
        Pinged(id="d#0", delivery_id="d", observed_at=0.0),
    ],
)
def test_what_moves_no_ref_is_concluded(event: UpstreamFact) -> None:
    [command] = [found for found in decide(event, State()) if not isinstance(found, RaiseAlarm)]
    assert isinstance(command, Conclude)
    assert command.outcome == "nothing to do"
