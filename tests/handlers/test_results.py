"""What follows from what a worker says of a job."""

from dataclasses import replace

import pytest

from hookfetch.core.commands import Announce, Answer, Client, Conclude, FinishJob, RetryJob, SetAside
from hookfetch.core.events import JobDone, JobFailed, JobTracked, SourceRef
from hookfetch.core.jobs import Change
from hookfetch.core.policy import Policy, PolicyKeys
from hookfetch.core.sources import Ref
from hookfetch.core.state import RetryPolicy, RunningJob
from hookfetch.handlers import decide
from tests.handlers.project import NEW, NEWER, OLD, URL, State


def found(ref: Ref) -> tuple[SourceRef, ...]:
    return (SourceRef(index=0, kind="git_repo", url=URL, ref=ref),)


def done(ref: Ref, *, epoch: int = 3, attempt: int = 1) -> JobDone:
    return JobDone(
        id="j/3.1/done",
        job_id="j",
        epoch=epoch,
        attempt=attempt,
        element="glib.bst",
        refs=found(ref),
        cached=True,
        element_key="k",
        source_keys=("s",),
        milliseconds={},
    )


def failed(reason: str = "404") -> JobFailed:
    return JobFailed(id="j/3.1/failed", job_id="j", epoch=3, attempt=1, element="glib.bst", reason=reason)


def running(*clients: Client, failures: int = 0) -> State:
    job = RunningJob(id="j", element="glib.bst", attempt=1, failures=failures, clients=clients)
    return State(jobs={"j": job})


def test_a_cached_change_is_announced_with_base_and_previous() -> None:
    state = running()
    state.refs = {"glib.bst": {0: NEW}}
    commands = decide(done(NEWER), state)
    change = Change(index=0, kind="git_repo", url=URL, base=OLD, previous=NEW, ref=NEWER)
    assert (
        Announce(
            element="glib.bst",
            changes=(change,),
            cached=True,
            element_key="k",
            source_keys=("s",),
            job_id="j",
        )
        in commands
    )
    assert commands[-1] == FinishJob(job_id="j")


@pytest.mark.parametrize("proposed", [{}, {"glib.bst": {0: OLD}}])
def test_what_did_not_move_is_not_announced(proposed: dict[str, dict[int, Ref]]) -> None:
    state = running()
    state.refs = proposed
    commands = decide(done(OLD), state)
    assert not any(isinstance(command, Announce) for command in commands)
    assert FinishJob(job_id="j") in commands


def test_a_ref_that_goes_back_to_the_branch_is_announced_as_moved() -> None:
    state = running()
    state.refs = {"glib.bst": {0: NEW}}
    [announced] = [command for command in decide(done(OLD), state) if isinstance(command, Announce)]
    assert (announced.changes[0].previous, announced.changes[0].ref) == (NEW, OLD)


@pytest.mark.parametrize("event", [done(NEW, epoch=2), done(NEW, attempt=2), replace(done(NEW), job_id="x")])
def test_a_result_of_another_epoch_attempt_or_job_is_stale(event: JobDone) -> None:
    [command] = decide(event, running())
    assert isinstance(command, Conclude)
    assert command.outcome == "stale"


def test_tracked_refs_answer_who_asked_to_track_and_no_one_else() -> None:
    track = Client(request_id="r1", reply_to="me", wants="track")
    fetch = Client(request_id="r2", reply_to="you", wants="fetch")
    event = JobTracked(
        id="j/3.1/tracked",
        job_id="j",
        epoch=3,
        attempt=1,
        element="glib.bst",
        refs=found(NEW),
        milliseconds=1,
    )
    [answer] = [c for c in decide(event, running(track, fetch)) if isinstance(c, Answer)]
    assert answer.reply_to == "me"
    assert answer.reply.changes[0].ref == NEW


def test_a_finished_fetch_answers_who_asked_to_fetch() -> None:
    fetch = Client(request_id="r2", reply_to="you", wants="fetch")
    [answer] = [c for c in decide(done(OLD), running(fetch)) if isinstance(c, Answer)]
    assert (answer.reply_to, answer.reply.outcome, answer.reply.element_key) == ("you", "fetched", "k")


@pytest.mark.parametrize(("failures", "delay"), [(0, 5.0), (1, 10.0)])
def test_a_failure_waits_twice_as_long_each_time(failures: int, delay: float) -> None:
    assert decide(failed(), running(failures=failures))[-1] == RetryJob(job_id="j", delay=delay, reason="404")


def test_too_many_failures_in_a_row_set_the_element_aside() -> None:
    assert decide(failed(), running(failures=2))[-1] == SetAside(job_id="j", delay=3600.0, reason="404")


def test_a_failure_is_told_to_every_client_before_the_job_waits() -> None:
    clients = [Client(request_id=name, reply_to=name, wants="track") for name in "ab"]
    commands = decide(failed("gone"), running(*clients))
    assert [c.reply.reason for c in commands if isinstance(c, Answer)] == ["gone", "gone"]


def test_a_backoff_never_exceeds_its_bound() -> None:
    policy = RetryPolicy(first=5.0, most=60.0, attempts=3, quarantine=1.0)
    assert max(policy.delay(failures) for failures in range(1, 5000)) == 60.0


def test_who_tracks_and_was_not_told_yet_is_told_at_the_end() -> None:
    commands = decide(done(NEWER), running(Client(request_id="t", reply_to="inbox", wants="track")))
    (answer,) = (each for each in commands if isinstance(each, Answer))
    assert (answer.reply.request_id, answer.reply.outcome) == ("t", "tracked")
    assert [each.ref for each in answer.reply.refs] == [NEWER]


def test_who_tracks_an_element_that_was_pinned_meanwhile_is_told_so() -> None:
    state = running(Client(request_id="t", reply_to="inbox", wants="track"))
    state.policy = Policy(own={"glib.bst": PolicyKeys(pin=True)})
    (answer,) = (each for each in decide(done(OLD), state) if isinstance(each, Answer))
    assert (answer.reply.outcome, answer.reply.request_id) == ("failed", "t")
    assert answer.reply.reason == state.policy.stays("glib.bst")
