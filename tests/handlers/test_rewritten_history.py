"""Forced, moved and removed refs: who is warned, how often, and what is held."""

from dataclasses import replace

import pytest

from hookfetch.core.commands import (
    Announce,
    Command,
    FinishJob,
    MoveOn,
    NoteTelling,
    RaiseAlarm,
    Recall,
    Release,
    SetAside,
)
from hookfetch.core.events import BranchDeleted, BranchPushed, JobDone, SourceRef, TagDeleted, TagPushed
from hookfetch.core.globs import Glob
from hookfetch.core.observation import RemoteRef
from hookfetch.core.policy import Policy, PolicyKeys
from hookfetch.core.rewrites import ENGINE, Rewrite
from hookfetch.core.state import RunningJob
from hookfetch.handlers import decide
from tests.handlers.project import HERE, NEW, NEWER, OLD, State, elements, pushed

HOLD = Policy(configured=[([Glob("**.bst")], PolicyKeys(rewritten_branch="hold", moved_tag="hold"))])
FOLLOW = Policy(configured=[([Glob("**.bst")], PolicyKeys(moved_tag="follow"))])
ZEROS = "0" * 40


def forced(before: str = OLD, after: str = NEW, number: int = 0) -> BranchPushed:
    return replace(pushed(after=after), id=f"hook/{number}#0", before=before, forced=True)


def tag(before: str | None, after: str, name: str = "v1") -> TagPushed:
    return TagPushed(
        id="d#0",
        delivery_id="d",
        observed_at=0.0,
        repositories=(HERE,),
        ref=f"refs/tags/{name}",
        before=before,
        after=after,
        target=after,
    )


def gone(before: str | None = OLD, name: str = "v1") -> TagDeleted:
    return TagDeleted(
        id="d#0",
        delivery_id="d",
        observed_at=0.0,
        repositories=(HERE,),
        ref=f"refs/tags/{name}",
        before=before,
    )


def rewrite(**changed: object) -> Rewrite:
    base = Rewrite(
        element="glib.bst",
        repository=HERE,
        ref="refs/heads/main",
        kind="branch_rewound",
        before=OLD,
        after=NEW,
        target=NEW,
        held=False,
    )
    return replace(base, **changed)  # type: ignore[arg-type] # fields by name


def alarms(commands: list[Command]) -> list[Rewrite]:
    return [command.rewrite for command in commands if isinstance(command, RaiseAlarm)]


def done(ref: str, *, element: str = "glib.bst", descends: dict[int, bool] | None = None) -> JobDone:
    source = SourceRef(index=0, kind="git_repo", url=None, ref=ref)
    return JobDone(
        id="j/3.1/done",
        job_id="j",
        epoch=3,
        attempt=1,
        element=element,
        refs=(source,),
        cached=True,
        element_key="key",
        source_keys=("k",),
        milliseconds={},
        descends=descends or {},
    )


def running(element: str = "glib.bst", *, asked: bool = False) -> dict[str, RunningJob]:
    return {"j": RunningJob(id="j", element=element, attempt=1, failures=0, clients=(), asked=asked)}


def test_a_forced_branch_warns_its_followers_and_is_followed_by_default() -> None:
    commands = decide(forced(), State())
    assert alarms(commands) == [rewrite(told_by=("hook/0#0",))]
    assert elements(commands) == ["glib.bst"]


def test_a_branch_that_was_forced_elsewhere_than_an_element_looks_warns_nobody() -> None:
    assert alarms(decide(replace(forced(), ref="refs/heads/wip"), State())) == []
    assert alarms(decide(pushed(), State())) == []


def test_a_rewrite_that_hook_and_sweep_and_engine_tell_is_one_alarm() -> None:
    state = State(warned={"glib.bst": [rewrite()]}, jobs=running())
    assert alarms(decide(forced(), state)) == []
    assert alarms(decide(done(NEW, descends={0: False}), state)) == []


def test_there_and_back_and_there_again_by_force_are_three_alarms() -> None:
    state = State()
    for number, (before, after) in enumerate(((OLD, NEW), (NEW, OLD), (OLD, NEW))):
        [alarm] = alarms(decide(forced(before, after, number), state))
        state.warned["glib.bst"] = [alarm]


def test_a_tag_that_points_elsewhere_is_an_alarm_and_held_by_default() -> None:
    [alarm] = alarms(decide(tag(OLD, NEW), State()))
    assert (alarm.kind, alarm.before, alarm.after, alarm.held) == ("tag_moved", OLD, NEW, True)


@pytest.mark.parametrize("before", [None, ZEROS, NEW])
def test_a_new_tag_is_no_alarm(before: str | None) -> None:
    assert alarms(decide(tag(before, NEW), State())) == []


def test_a_tag_made_again_elsewhere_after_it_was_deleted_has_moved() -> None:
    [first] = alarms(decide(gone(), State()))
    assert (first.kind, first.held) == ("tag_deleted", True)
    [second] = alarms(decide(tag(ZEROS, NEW), State(warned={"tagged.bst": [first]})))
    assert (second.kind, second.before, second.after) == ("tag_moved", OLD, NEW)


def test_an_old_tag_that_an_element_left_long_ago_warns_nobody() -> None:
    state = State(refs={"tagged.bst": {0: f"v2-0-g{NEWER}"}})
    assert alarms(decide(gone(), state)) == []
    assert alarms(decide(tag(OLD, NEW), state)) == []


def test_a_deleted_tag_lets_its_element_fall_back_only_where_the_policy_follows() -> None:
    assert elements(decide(gone(), State())) == []
    commands = decide(gone(), State(policy=FOLLOW))
    assert elements(commands) == ["tagged.bst"]
    assert [alarm.held for alarm in alarms(commands)] == [False]


def test_a_deleted_branch_is_an_alarm_and_moves_nothing() -> None:
    event = BranchDeleted(
        id="d#0", delivery_id="d", observed_at=0.0, repositories=(HERE,), ref="refs/heads/main", before=OLD
    )
    commands = decide(event, State())
    assert [alarm.kind for alarm in alarms(commands)] == ["branch_deleted"]
    assert elements(commands) == []


def test_what_the_engine_finds_is_an_alarm_before_the_update() -> None:
    commands = decide(done(NEW, descends={0: False}), State(jobs=running()))
    kinds = [type(command) for command in commands if isinstance(command, RaiseAlarm | Announce)]
    assert kinds == [RaiseAlarm, Announce]
    assert alarms(commands) == [rewrite(told_by=(ENGINE,))]


def test_another_tag_of_a_glob_has_another_history_and_is_no_alarm() -> None:
    commands = decide(
        done(f"v2-0-g{NEW}", element="tagged.bst", descends={0: False}), State(jobs=running("tagged.bst"))
    )
    assert alarms(commands) == []
    assert any(isinstance(command, Announce) for command in commands)


def test_a_held_rewrite_is_set_aside_and_not_announced() -> None:
    commands = decide(done(NEW, descends={0: False}), State(jobs=running(), policy=HOLD))
    assert [alarm.held for alarm in alarms(commands)] == [True]
    assert not any(isinstance(command, Announce | FinishJob) for command in commands)
    [aside] = [command for command in commands if isinstance(command, SetAside)]
    assert aside.held
    assert aside.reason.startswith("held: branch rewound: refs/heads/main of ")


@pytest.mark.parametrize("descends", [{}, {0: False}])
def test_a_held_branch_stays_held_while_it_is_not_known_to_descend(descends: dict[int, bool]) -> None:
    state = State(jobs=running(), policy=HOLD, warned={"glib.bst": [rewrite(held=True)]})
    assert not any(isinstance(c, Announce) for c in decide(done(NEWER, descends=descends), state))


def test_a_held_branch_goes_on_once_it_descends_again() -> None:
    held = rewrite(held=True)
    state = State(jobs=running(), policy=HOLD, warned={"glib.bst": [held]})
    commands = decide(done(NEWER, descends={0: True}), state)
    assert any(isinstance(command, Announce) for command in commands)
    assert MoveOn(rewrite=held) in commands


def test_a_late_word_of_what_is_past_is_no_alarm_and_holds_a_tag_that_is_there_again() -> None:
    past = rewrite(
        element="tagged.bst",
        ref="refs/tags/v1",
        kind="tag_moved",
        told_by=("sweep/a/1#0",),
        past=True,
        number=7,
    )
    commands = decide(tag(OLD, NEW), State(warned={"tagged.bst": [past]}))
    assert alarms(commands) == []
    reopened = replace(past, held=True, past=False)
    assert NoteTelling(rewrite=reopened, by="d#0") in commands
    state = State(jobs=running("tagged.bst"), warned={"tagged.bst": [reopened]})
    assert not any(isinstance(c, Announce) for c in decide(done(f"v1-0-g{NEW}", element="tagged.bst"), state))
    assert MoveOn(rewrite=reopened) in decide(done(f"v2-0-g{NEWER}", element="tagged.bst"), state)


def test_a_person_releases_what_is_held() -> None:
    held = rewrite(held=True)
    state = State(jobs=running(asked=True), policy=HOLD, warned={"glib.bst": [held]})
    commands = decide(done(NEW, descends={0: False}), state)
    assert any(isinstance(command, Announce) for command in commands)
    assert Release(rewrite=held) in commands


def test_a_moved_tag_holds_its_new_place_and_no_other_tag() -> None:
    moved = rewrite(element="tagged.bst", ref="refs/tags/v1", kind="tag_moved", held=True)
    state = State(jobs=running("tagged.bst"), warned={"tagged.bst": [moved]})
    held = decide(done(f"v1-0-g{NEW}", element="tagged.bst"), state)
    free = decide(done(f"v2-0-g{NEWER}", element="tagged.bst"), state)
    assert [any(isinstance(c, Announce) for c in commands) for commands in (held, free)] == [False, True]


def test_a_removed_tag_forbids_an_older_one_until_a_newer_one_comes() -> None:
    removed = rewrite(
        element="tagged.bst", ref="refs/tags/v1", kind="tag_deleted", after=None, target=None, held=True
    )
    state = State(jobs=running("tagged.bst"), warned={"tagged.bst": [removed]})
    back = decide(done(f"v0-0-g{NEWER}", element="tagged.bst"), state)
    assert not any(isinstance(command, Announce) for command in back)
    assert Release(rewrite=removed) not in decide(tag(None, NEW, "v0"), state)
    assert Release(rewrite=removed) in decide(tag(None, NEW, "v2"), state)


def test_a_removed_tag_that_is_there_again_where_it_was_holds_nothing() -> None:
    removed = rewrite(
        element="tagged.bst", ref="refs/tags/v1", kind="tag_deleted", after=None, target=None, held=True
    )
    assert MoveOn(rewrite=removed) in decide(tag(ZEROS, OLD), State(warned={"tagged.bst": [removed]}))


def test_a_rewrite_is_remembered_while_a_later_look_is_due() -> None:
    state = State(jobs=running(), warned={"glib.bst": [rewrite()]}, waiting=frozenset({"glib.bst"}))
    assert MoveOn(rewrite=rewrite()) not in decide(done(OLD), state)
    assert MoveOn(rewrite=rewrite()) in decide(done(OLD), replace(state, waiting=frozenset()))


def test_an_element_that_is_ahead_of_the_sweep_has_it_look_again() -> None:
    state = State(jobs=running(), seen={HERE: {"refs/heads/main": RemoteRef(oid=OLD)}})
    assert Recall(repository=HERE, ref="refs/heads/main", oid=NEW) in decide(done(NEW), state)
    state.seen[HERE]["refs/heads/main"] = RemoteRef(oid=NEW)
    assert not any(isinstance(command, Recall) for command in decide(done(NEW), state))
