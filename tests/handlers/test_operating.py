"""What follows from an operator's word on elements that fail or are held."""

import pytest

from hookfetch.core.commands import (
    Answer,
    CallOff,
    Client,
    Command,
    Conclude,
    FinishJob,
    Forgive,
    Refresh,
    Release,
    TryNow,
)
from hookfetch.core.jobs import Reply
from hookfetch.core.operator_requests import CancelRequested, ReleaseRequested, RetryRequested
from hookfetch.core.standing import AT_ONCE_MOST, ElementStanding
from hookfetch.core.state import OpenJob
from hookfetch.handlers import decide
from tests.handlers.project import State
from tests.handlers.test_rewritten_history import rewrite


def retry(elements: str) -> RetryRequested:
    return RetryRequested(id="r", elements=elements, reply_to="inbox")


def release(elements: str) -> ReleaseRequested:
    return ReleaseRequested(id="r", elements=elements, reply_to="inbox")


def cancel(elements: str) -> CancelRequested:
    return CancelRequested(id="r", elements=elements, by="ipv4:192.0.2.1:5", reply_to="inbox")


def work(commands: list[Command]) -> list[Command]:
    return [command for command in commands if not isinstance(command, Answer | Conclude)]


def reply(commands: list[Command]) -> Reply:
    *_, answer = [command for command in commands if isinstance(command, Answer)]
    assert (answer.reply_to, answer.reply.request_id) == ("inbox", "r")
    return answer.reply


STANDS = [
    ElementStanding(element="aside.bst", state="set aside", failures=3, due_at=9.0),
    ElementStanding(element="held.bst", state="held", due_at=9.0),
    ElementStanding(element="failing.bst", state="failing", failures=1, due_at=9.0),
    ElementStanding(element="due.bst", state="failing", failures=1),
    ElementStanding(element="again.bst", state="running", failures=2),
    ElementStanding(element="working.bst", state="running"),
    ElementStanding(element="waiting.bst", state="waiting", due_at=9.0),
]
OPEN = frozenset(each.element for each in STANDS)


def state(**changed: object) -> State:
    fields: dict[str, object] = {"stands": STANDS, "open_jobs": OPEN, "waiting": OPEN - {"working.bst"}}
    return State(**(fields | changed))  # type: ignore[arg-type] # fields by name


def test_a_retry_by_glob_is_of_what_failed_and_is_not_due_already() -> None:
    commands = decide(retry("*.bst"), state())
    assert work(commands) == [TryNow(element="aside.bst"), TryNow(element="failing.bst")]
    assert commands[0] == Conclude(outcome="done")
    answer = reply(commands)
    assert (answer.outcome, answer.elements, answer.left) == ("retried", ("aside.bst", "failing.bst"), 0)


@pytest.mark.parametrize("element", ["aside.bst", "held.bst", "waiting.bst"])
def test_a_retry_by_name_is_of_whatever_waits_and_releases_nothing(element: str) -> None:
    warned = {element: [rewrite(element=element, held=True)]}
    assert work(decide(retry(element), state(warned=warned))) == [TryNow(element=element)]


@pytest.mark.parametrize(
    ("elements", "outcome", "reason"),
    [
        ("working.bst", "failed", "working.bst is being worked on"),
        ("glib.bst", "failed", "glib.bst has no job that waits"),
        ("nobody.bst", "unknown_element", "nobody.bst has no job that waits"),
        ("d*.bst", "failed", "nothing that matches 'd*.bst' is set aside or failing, and not due already"),
    ],
)
def test_a_retry_without_anything_to_try_says_why(elements: str, outcome: str, reason: str) -> None:
    commands = decide(retry(elements), state())
    assert work(commands) == []
    assert commands[0] == Conclude(outcome="nothing to do", reason=reason)
    assert (reply(commands).outcome, reply(commands).reason) == (outcome, reason)


def test_a_release_forgives_failures_and_tries_now() -> None:
    commands = decide(release("a*.bst"), state())
    assert work(commands) == [
        Forgive(element="again.bst"),
        TryNow(element="again.bst"),
        Forgive(element="aside.bst"),
        TryNow(element="aside.bst"),
    ]
    assert reply(commands).elements == ("again.bst", "aside.bst")


def test_a_release_follows_what_was_held() -> None:
    held, told = rewrite(element="held.bst", held=True), rewrite(element="held.bst", held=False)
    commands = decide(release("held.bst"), state(warned={"held.bst": [held, told]}))
    assert work(commands) == [
        Release(rewrite=held),
        Forgive(element="held.bst"),
        TryNow(element="held.bst"),
    ]


def test_a_release_of_an_element_that_rests_has_it_looked_at() -> None:
    held = rewrite(held=True)
    commands = decide(release("glib.bst"), state(warned={"glib.bst": [held]}, holding=["glib.bst"]))
    assert work(commands) == [
        Release(rewrite=held),
        Forgive(element="glib.bst"),
        Refresh(element="glib.bst"),
        TryNow(element="glib.bst"),
    ]


def test_a_release_leaves_elements_alone_that_the_project_has_no_more() -> None:
    commands = decide(release("*"), State(holding=["glib.bst", "removed.bst"]))
    assert reply(commands).elements == ("glib.bst",)


@pytest.mark.parametrize(
    ("elements", "outcome", "reason"),
    [
        ("waiting.bst", "failed", "waiting.bst is not set aside, held or failing"),
        ("nobody.bst", "unknown_element", "nobody.bst is not set aside, held or failing"),
        ("w*", "failed", "nothing that matches 'w*' is set aside, held or failing"),
    ],
)
def test_a_release_without_anything_to_let_go_says_why(elements: str, outcome: str, reason: str) -> None:
    commands = decide(release(elements), state())
    assert work(commands) == []
    assert (reply(commands).outcome, reply(commands).reason) == (outcome, reason)


CANCELLED = "cancelled by ipv4:192.0.2.1:5"


def test_a_cancel_ends_what_runs_and_what_waits_and_tells_who_waits_for_it() -> None:
    client = Client(request_id="t", reply_to="its inbox", wants="track")
    runs = OpenJob(id="j1", runs=True, attempt=4)
    waits = OpenJob(id="j2", runs=False, attempt=1, clients=(client,))
    commands = decide(cancel("again.bst"), state(work={"again.bst": [runs, waits]}))
    told = Reply(request_id="t", outcome="failed", element="again.bst", reason=CANCELLED)
    assert commands[:-1] == [
        Conclude(outcome="done"),
        FinishJob(job_id="j1", outcome="nothing to do", reason=CANCELLED),
        CallOff(job_id="j1", attempt=4),
        FinishJob(job_id="j2", outcome="nothing to do", reason=CANCELLED),
        Answer(reply_to="its inbox", reply=told),
    ]
    answer = reply(commands)
    assert (answer.outcome, answer.elements, answer.left) == ("cancelled", ("again.bst",), 0)


def test_a_cancel_by_glob_is_of_every_open_job_that_matches() -> None:
    jobs = {name: [OpenJob(id=name[0], runs=False, attempt=0)] for name in OPEN}
    commands = decide(cancel("*e*"), state(work=jobs))
    assert [each.job_id for each in work(commands) if isinstance(each, FinishJob)] == ["a", "h", "d"]
    assert reply(commands).elements == ("aside.bst", "held.bst", "due.bst")


@pytest.mark.parametrize(
    ("elements", "outcome", "reason"),
    [
        ("glib.bst", "failed", "glib.bst has no job that waits or runs"),
        ("nobody.bst", "unknown_element", "nobody.bst has no job that waits or runs"),
        ("x*", "failed", "nothing that matches 'x*' has a job that waits or runs"),
    ],
)
def test_a_cancel_without_anything_to_end_says_why(elements: str, outcome: str, reason: str) -> None:
    commands = decide(cancel(elements), state())
    assert work(commands) == []
    assert (reply(commands).outcome, reply(commands).reason) == (outcome, reason)


def test_one_request_takes_a_bounded_number_and_says_how_many_are_left() -> None:
    names = [f"{number:05}.bst" for number in range(AT_ONCE_MOST + 7)]
    stands = [ElementStanding(element=name, state="set aside", failures=3, due_at=9.0) for name in names]
    for asked in (retry("*"), release("*"), cancel("*")):
        answer = reply(decide(asked, State(stands=stands, open_jobs=frozenset(names))))
        assert (answer.elements, answer.left) == (tuple(names[:AT_ONCE_MOST]), 7)


def test_whoever_asks_hears_that_a_paused_project_tries_nothing() -> None:
    assert reply(decide(retry("*"), state(paused=True))).paused
