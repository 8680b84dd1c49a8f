"""A look for a client who wants an upstream's original, unless there could be no answer."""

from dataclasses import replace

import pytest

from hookfetch.core.asset_requests import LookRequested
from hookfetch.core.commands import Answer, Client, Conclude, Refresh
from hookfetch.core.jobs import Reply
from hookfetch.core.outage import Outage
from hookfetch.handlers import decide
from tests.handlers.project import State

ASKED = LookRequested(id="r", element="glib.bst", reply_to="me")
AWAY = Outage(since=1.0, reason="gone", pause=5.0, probe_at=6.0)


def test_the_element_is_tracked_and_the_client_waits_for_what_is_fetched() -> None:
    client = Client(request_id="r", reply_to="me", wants="fetch")
    assert decide(ASKED, State()) == [
        Refresh(element="glib.bst", track=True, priority="interactive", client=client)
    ]


@pytest.mark.parametrize(
    ("event", "state", "outcome"),
    [
        (replace(ASKED, element="none.bst"), State(), "unknown_element"),
        (ASKED, State(index=None), "unknown_element"),
        (ASKED, State(outage=AWAY), "unavailable"),
    ],
)
def test_who_could_only_wait_is_told_so_at_once(event: LookRequested, state: State, outcome: str) -> None:
    conclusion, answer = decide(event, state)
    assert isinstance(conclusion, Conclude)
    assert conclusion.outcome == "nothing to do"
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, Reply)
    assert (answer.reply_to, answer.reply.outcome) == ("me", outcome)
    assert len(decide(replace(event, reply_to=None), state)) == 1
