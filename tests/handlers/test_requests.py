"""What follows from a client's request."""

import pytest

from hookfetch.core.commands import Answer, Client, Refresh
from hookfetch.core.events import FetchRequested, TrackRequested
from hookfetch.handlers import decide
from tests.handlers.project import State, elements


@pytest.mark.parametrize(
    ("event", "track"),
    [
        (TrackRequested(id="r", element="glib.bst", reply_to="me"), True),
        (FetchRequested(id="r", element="glib.bst", reply_to="me"), False),
    ],
)
def test_a_request_is_interactive_work_with_a_client(
    event: TrackRequested | FetchRequested, track: bool
) -> None:
    [command] = decide(event, State())
    assert command == Refresh(
        element="glib.bst",
        track=track,
        priority="interactive",
        client=Client(request_id="r", reply_to="me", wants="track" if track else "fetch"),
    )


def test_a_request_for_an_unknown_element_is_answered_so() -> None:
    commands = decide(TrackRequested(id="r", element="nope.bst", reply_to="me"), State())
    [answer] = [command for command in commands if isinstance(command, Answer)]
    assert answer.reply.outcome == "unknown_element"
    assert elements(commands) == []
