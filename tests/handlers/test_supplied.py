"""What a client brings gets one job beside all elements; what it may not bring gets none."""

from typing import ClassVar

import pytest

from hookfetch.config.supplied import SuppliedConfig
from hookfetch.core.commands import Answer, Client, Command, Conclude, FinishJob, KeepSupplied, Refresh
from hookfetch.core.events import JobDone, JobFailed, JobHeld, SourceRef
from hookfetch.core.jobs import Reply
from hookfetch.core.outage import Outage
from hookfetch.core.recipes import key_of
from hookfetch.core.state import RunningJob
from hookfetch.core.supplied import SuppliedRules, SuppliedSource, Wants, is_supplied, job_name
from hookfetch.core.supplied_requests import SuppliedRequested
from hookfetch.handlers import decide
from hookfetch.handlers.supplied import MOST_OPEN
from tests.handlers.project import NEW, OLD, State

SOURCE = SuppliedSource(kind="git", config={"url": "up:x.git", "track": "main"}, ref=NEW)
AWAY = Outage(since=1.0, reason="gone", pause=5.0, probe_at=6.0)


class Open(State):
    """A project that takes what clients bring from one place."""

    supplied_rules = SuppliedConfig(kinds=("git",)).rules()
    aliases: ClassVar = {"up": "https://example.org/", "plain": "http://example.org/"}


class Closed(Open):
    """A project that takes nothing."""

    supplied_rules = SuppliedRules()


class Full(Open):
    """A project with as many jobs for clients as may be."""

    def supplied_jobs(self) -> int:
        return MOST_OPEN


def asked(wants: Wants = "fetch", source: SuppliedSource = SOURCE) -> SuppliedRequested:
    return SuppliedRequested(id="r", sources=(source,), wants=wants, reply_to="me")


def replied(commands: list[Command]) -> Reply:
    conclusion, answer = commands
    assert isinstance(conclusion, Conclude)
    assert isinstance(answer, Answer)
    assert answer.reply_to == "me"
    return answer.reply


@pytest.mark.parametrize("wants", ["track", "fetch"])
def test_a_job_of_a_name_of_its_own_is_for_it(wants: Wants) -> None:
    name = job_name((SOURCE,), wants)
    client = Client(request_id="r", reply_to="me", wants=wants)
    assert decide(asked(wants), Open()) == [
        KeepSupplied(name=name, sources=(SOURCE,)),
        Refresh(element=name, track=wants == "track", priority="interactive", client=client),
    ]
    assert is_supplied(name)
    assert not any(map(is_supplied, ("a.bst", "a.bst|key", "supplied|key", "supplied")))
    assert key_of(name) is not None  # so that it is not tried again


def test_other_sources_and_other_wishes_are_other_jobs() -> None:
    other = SuppliedSource(kind="git", config=SOURCE.config, ref=OLD)
    names = {
        job_name(each, wants)
        for each in ((SOURCE,), (SOURCE, SOURCE), (other,))
        for wants in ("track", "fetch")
    }
    assert len(names) == 6


@pytest.mark.parametrize(
    ("state", "path", "outcome", "field"),
    [
        (Open(), "plain:x.git", "not_allowed", "sources[0].url"),
        (Open(), "nobody:x.git", "not_allowed", "sources[0].url"),
        (Closed(), "up:x.git", "not_allowed", "sources[0].kind"),
        (Open(outage=AWAY), "up:x.git", "unavailable", None),
        (Full(), "up:x.git", "unavailable", None),
        (Open(index=None), "up:x.git", "failed", None),
    ],
)
def test_what_cannot_be_is_answered_at_once(state: Open, path: str, outcome: str, field: str | None) -> None:
    source = SuppliedSource(kind="git", config={"url": path}, ref=NEW)
    reply = replied(decide(asked(source=source), state))
    assert (reply.outcome, reply.field) == (outcome, field)
    assert reply.reason


def test_who_tracks_needs_no_cache_and_who_joins_no_room() -> None:
    assert len(decide(asked("track"), Open(outage=AWAY))) == 2
    name = job_name((SOURCE,), "fetch")
    assert isinstance(decide(asked(), Full(open_jobs=frozenset({name})))[0], KeepSupplied)


def running(wants: Wants) -> Open:
    client = Client(request_id="r", reply_to="me", wants=wants)
    job = RunningJob(
        id="j", element=job_name((SOURCE,), wants), attempt=1, failures=0, clients=(client,), asked=True
    )
    return Open(jobs={"j": job})


def report(wants: Wants) -> dict[str, object]:
    return {"id": "e", "job_id": "j", "epoch": 3, "attempt": 1, "element": job_name((SOURCE,), wants)}


def test_its_end_announces_and_remembers_nothing() -> None:
    ref = SourceRef(index=0, kind="git", url=None, ref=NEW)
    done = JobDone(
        **report("fetch"),  # type: ignore[arg-type]
        refs=(ref,),
        cached=True,
        element_key="key",
        source_keys=("git/key",),
        milliseconds={},
    )
    conclude, finish, answer = decide(done, running("fetch"))
    assert (conclude, finish) == (Conclude(outcome="done"), FinishJob(job_id="j"))
    assert isinstance(answer, Answer)
    assert (answer.reply.outcome, answer.reply.element_key, answer.reply.changes) == ("fetched", "key", ())


def test_its_failure_is_told_and_not_tried_again() -> None:
    failed = JobFailed(**report("track"), reason="gone")  # type: ignore[arg-type]
    _, answer, finish = decide(failed, running("track"))
    assert isinstance(answer, Answer)
    assert (answer.reply.outcome, answer.reply.reason) == ("failed", "gone")
    assert isinstance(finish, FinishJob)


def test_it_is_not_held_for_a_cache_that_is_away() -> None:
    held = JobHeld(**report("fetch"), reason="away")  # type: ignore[arg-type]
    commands = decide(held, running("fetch"))
    assert FinishJob(job_id="j", outcome="nothing to do", reason="away") in commands
    assert "HoldForCache" not in {type(each).__name__ for each in commands}
    (answer,) = (each for each in commands if isinstance(each, Answer))
    assert (answer.reply.outcome, answer.reply.reason) == ("unavailable", "away")
