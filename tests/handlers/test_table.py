"""Every event has its reactions, also while the project does not load."""

from typing import get_args

from hookfetch.core.commands import Answer
from hookfetch.core.events import Event, TrackRequested
from hookfetch.handlers import HANDLERS, decide
from tests.handlers.project import State, elements, pushed


def test_every_event_has_a_handler() -> None:
    assert set(HANDLERS) == set(get_args(Event))


def test_a_project_that_does_not_load_concludes_facts_and_refuses_requests_with_the_reason() -> None:
    state = State(index=None, unhealthy="project.conf: no such plugin")
    assert elements(decide(pushed(), state)) == []
    commands = decide(TrackRequested(id="r", element="glib.bst", reply_to="me"), state)
    [answer] = [command for command in commands if isinstance(command, Answer)]
    assert answer.reply.outcome == "failed"
    assert "no such plugin" in (answer.reply.reason or "")
