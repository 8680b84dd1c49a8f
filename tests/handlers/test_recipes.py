"""A miss in the source cache has its recipe followed, unless there is none or the cache is away."""

import pytest

from hookfetch.core.asset_requests import SourcesRequested
from hookfetch.core.commands import Answer, Client, Conclude, Refresh
from hookfetch.core.jobs import Reply
from hookfetch.core.outage import Outage
from hookfetch.core.recipes import Recipe, job_name, key_of
from hookfetch.handlers import decide
from tests.handlers.project import State

ASKED = SourcesRequested(id="r", key="k", reply_to="me")
RECIPE = Recipe(element="a.bst", revision="first", refs=())
AWAY = Outage(since=1.0, reason="gone", pause=5.0, probe_at=6.0)


class Knowing(State):
    """A project with one recipe."""

    def recipe(self, key: str) -> Recipe | None:
        return RECIPE if key == "k" else None


def test_the_recipes_job_stands_beside_the_elements_and_tracks_nothing() -> None:
    client = Client(request_id="r", reply_to="me", wants="fetch")
    assert decide(ASKED, Knowing()) == [
        Refresh(element="a.bst|k", track=False, priority="interactive", client=client)
    ]
    assert (key_of(job_name("a.bst", "k")), key_of("a.bst"), key_of("j.bst:a.bst")) == ("k", None, None)


@pytest.mark.parametrize(
    ("event", "state", "outcome", "reason"),
    [
        (SourcesRequested(id="r", key="x", reply_to="me"), Knowing(), "unknown_element", "no recipe"),
        (ASKED, Knowing(outage=AWAY), "unavailable", "gone"),
    ],
)
def test_who_could_only_wait_is_told_so_at_once(
    event: SourcesRequested, state: Knowing, outcome: str, reason: str
) -> None:
    conclusion, answer = decide(event, state)
    assert conclusion == Conclude(outcome="nothing to do", reason=reason)
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, Reply)
    assert (answer.reply_to, answer.reply.outcome) == ("me", outcome)
    [alone] = decide(SourcesRequested(id="r", key="x"), Knowing())
    assert isinstance(alone, Conclude)
