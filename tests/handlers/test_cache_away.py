"""What follows when a worker finds the source cache away, or there again."""

import pytest

from hookfetch.core.cache_commands import CacheAnswers, CacheIsAway, HoldForCache, TakeBackQueued
from hookfetch.core.commands import Answer, Client, Command, Conclude, Refresh
from hookfetch.core.events import CacheAnswered, FetchRequested, JobHeld
from hookfetch.core.outage import Outage
from hookfetch.core.state import RunningJob
from hookfetch.handlers import decide
from tests.handlers.project import State

DONE = Conclude(outcome="done")
AWAY = Outage(since=10.0, reason="http://c: UNAVAILABLE", pause=4.0, probe_at=14.0)
ANSWERED = Outage(since=None, reason="http://c: UNAVAILABLE", pause=4.0, probe_at=14.0)


def held(*, probed: bool = False, left_alone: bool = False, attempt: int = 1) -> JobHeld:
    return JobHeld(
        id="j/held",
        job_id="j",
        epoch=3,
        attempt=attempt,
        element="glib.bst",
        reason="now",
        probed=probed,
        left_alone=left_alone,
    )


def after(event: JobHeld | CacheAnswered, outage: Outage | None, *clients: Client) -> list[Command]:
    job = RunningJob(id="j", element="glib.bst", attempt=1, failures=0, clients=clients)
    return decide(event, State(jobs={"j": job}, outage=outage))


@pytest.mark.parametrize(
    ("outage", "event", "follows"),
    [
        (None, held(), [CacheIsAway(reason="now", pause=1.0), HoldForCache(job_id="j"), TakeBackQueued()]),
        (
            ANSWERED,
            held(),
            [CacheIsAway(reason="now", pause=8.0), HoldForCache(job_id="j"), TakeBackQueued()],
        ),
        (AWAY, held(), [HoldForCache(job_id="j")]),
        (AWAY, held(left_alone=True), [HoldForCache(job_id="j")]),
        (AWAY, held(probed=True), [CacheIsAway(reason="now", pause=8.0), HoldForCache(job_id="j")]),
        (None, held(left_alone=True), [HoldForCache(job_id="j"), CacheAnswers(proved=False)]),
        (ANSWERED, held(left_alone=True), [HoldForCache(job_id="j"), CacheAnswers(proved=False)]),
    ],
)
def test_the_first_held_job_and_each_probe_in_vain_say_when_the_cache_is_asked_again(
    outage: Outage | None, event: JobHeld, follows: list[Command]
) -> None:
    assert after(event, outage) == [DONE, *follows]


def test_a_late_word_of_an_earlier_attempt_holds_nothing() -> None:
    (end,) = after(held(attempt=2), None)
    assert isinstance(end, Conclude)
    assert end.outcome == "stale"


def test_an_answer_lets_go_what_is_held() -> None:
    answered = CacheAnswered(id="j/cache", job_id="j", epoch=3, attempt=1, element="glib.bst")
    assert after(answered, AWAY) == [DONE, CacheAnswers(proved=False)]


def test_who_waits_for_a_fetch_is_told_when_to_ask_again() -> None:
    client = Client(request_id="r", reply_to="inbox", wants="fetch")
    (answer,) = (each for each in after(held(), None, client) if isinstance(each, Answer))
    assert (answer.reply.outcome, answer.reply.reason, answer.reply.retry_after) == (
        "unavailable",
        "now",
        1.0,
    )


def test_who_fetches_while_it_is_away_is_told_at_once_and_the_fetch_is_held_for_it() -> None:
    request = FetchRequested(id="r", element="glib.bst", reply_to="inbox")
    refresh, answer = decide(request, State(outage=AWAY))
    assert refresh == Refresh(element="glib.bst", track=False, priority="interactive")
    assert isinstance(answer, Answer)
    assert (answer.reply.outcome, answer.reply.retry_after) == ("unavailable", 4.0)
