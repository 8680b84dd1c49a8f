"""What follows from what: every reaction as a table of sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from hookfetch.core.commands import (
    Announce,
    Answer,
    Client,
    Command,
    Conclude,
    FinishJob,
    RaiseAlarm,
    Refresh,
    RetryJob,
    SetAside,
)
from hookfetch.core.events import (
    BranchDeleted,
    BranchPushed,
    FetchRequested,
    JobDone,
    JobFailed,
    JobTracked,
    Pinged,
    ReleasePublished,
    RepositoryMoved,
    SourceRef,
    TagPushed,
    TrackRequested,
    UpstreamFact,
)
from hookfetch.core.jobs import Change
from hookfetch.core.matching import Index
from hookfetch.core.observation import RemoteRef
from hookfetch.core.outage import Outage
from hookfetch.core.own import OwnBranch
from hookfetch.core.policy import Policy
from hookfetch.core.repository import RepositoryId, identify
from hookfetch.core.rewrites import Rewrite
from hookfetch.core.sources import Element, Ref, Source
from hookfetch.core.standing import ElementStanding
from hookfetch.core.state import OpenJob, RetryPolicy, RunningJob
from hookfetch.handlers import HANDLERS, decide

URL = "https://example.org/group/glib.git"
HERE = identify(URL)
assert HERE is not None
OLD, NEW, NEWER = "1" * 40, "2" * 40, "3" * 40

GLIB = Element(
    name="glib.bst",
    kind="meson",
    sources=(Source(index=0, kind="git_repo", urls=(URL,), track={"track": "main"}, ref=OLD),),
)
TAGGED = Element(
    name="tagged.bst",
    kind="meson",
    sources=(Source(index=0, kind="git_repo", urls=(URL,), track={"track": "v*"}, ref=f"v1-0-g{OLD}"),),
)


@dataclass
class State:
    """A project as a handler sees it."""

    index: Index | None = field(default_factory=lambda: Index.of([GLIB, TAGGED]))
    own: OwnBranch | None = None
    unhealthy: str | None = None
    epoch: int = 3
    retry: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(first=5.0, most=60.0, attempts=3, quarantine=3600.0)
    )
    refs: dict[str, dict[int, Ref]] = field(default_factory=dict)
    jobs: dict[str, RunningJob] = field(default_factory=dict)
    open_jobs: frozenset[str] = frozenset()
    work: dict[str, list[OpenJob]] = field(default_factory=dict)

    policy: Policy = field(default_factory=Policy)
    warned: dict[str, list[Rewrite]] = field(default_factory=dict)
    seen: dict[RepositoryId, dict[str, RemoteRef]] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    stands: list[ElementStanding] = field(default_factory=list)
    holding: list[str] = field(default_factory=list)
    paused: bool = False
    outage: Outage | None = None
    chosen: dict[str, dict[int, Ref]] = field(default_factory=dict)

    def standing(self) -> list[ElementStanding]:
        return self.stands

    def kept_back(self) -> list[str]:
        return self.holding

    def rewrites(self, element: str) -> list[Rewrite]:
        return self.warned.get(element, [])

    def observed(self, repository: RepositoryId) -> Mapping[str, RemoteRef] | None:
        return self.seen.get(repository)

    def waits(self, element: str) -> bool:
        return element in self.waiting

    def proposed(self, element: str) -> Mapping[int, Ref]:
        return self.refs.get(element, {})

    def withdrawn(self, element: str) -> Mapping[int, Ref]:
        return self.chosen.get(element, {})

    def busy(self, element: str) -> bool:
        return element in self.open_jobs

    def jobs_of(self, element: str) -> list[OpenJob]:
        return self.work.get(element, [])

    def running(self, job_id: str) -> RunningJob | None:
        return self.jobs.get(job_id)


def pushed(ref: str = "refs/heads/main", after: str | None = NEW) -> BranchPushed:
    return BranchPushed(
        id="d#0", delivery_id="d", observed_at=0.0, repositories=(HERE,), ref=ref, after=after
    )


def tagged(ref: str, target: str = NEW) -> TagPushed:
    return TagPushed(id="d#0", delivery_id="d", observed_at=0.0, repositories=(HERE,), ref=ref, target=target)


def elements(commands: list[Command]) -> list[str]:
    return [command.element for command in commands if isinstance(command, Refresh)]


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


def test_a_project_that_does_not_load_concludes_facts_and_refuses_requests_with_the_reason() -> None:
    state = State(index=None, unhealthy="project.conf: no such plugin")
    assert elements(decide(pushed(), state)) == []
    commands = decide(TrackRequested(id="r", element="glib.bst", reply_to="me"), state)
    [answer] = [command for command in commands if isinstance(command, Answer)]
    assert answer.reply.outcome == "failed"
    assert "no such plugin" in (answer.reply.reason or "")


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


def test_every_event_has_a_handler() -> None:
    from typing import get_args

    from hookfetch.core.events import Event

    assert set(HANDLERS) == set(get_args(Event))
