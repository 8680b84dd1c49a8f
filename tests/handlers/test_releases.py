"""A feed tells of a newer version: the element moves once, forward, or waits."""

from dataclasses import replace

import pytest

from hookfetch.core.commands import Announce, Arrived, Conclude, Postpone, Refresh, Want
from hookfetch.core.events import JobDone, ReleaseFound, SourceRef
from hookfetch.core.matching import Index
from hookfetch.core.moves import PendingMove, SourceMove, Unmoved, Upgrade, WantedMove
from hookfetch.core.sources import Element, Source
from hookfetch.core.state import RunningJob
from hookfetch.handlers import decide
from tests.handlers.project import State

OLD, NEW = "1" * 64, "2" * 64
FOO = Element(
    name="foo.bst",
    kind="import",
    sources=(
        Source(index=0, kind="tar", urls=("https://host/foo-1.0.tgz",), ref=OLD),
        Source(index=1, kind="tar", urls=("https://host/foo-doc-1.0.tgz",), ref=OLD),
    ),
)
MOVE = SourceMove(old="1.0", new="1.1", given={"url": "up:foo-1.1.tgz"})
UPGRADE = Upgrade(old="1.0", new="1.1", feed="https://host/feed", page="https://host/1.1")


def found(version: str = "1.1") -> ReleaseFound:
    return ReleaseFound(
        id="feed#1",
        delivery_id="feed",
        observed_at=0.0,
        element="foo.bst",
        current="1.0",
        version=version,
        feed="https://host/feed",
        urls=("https://host/foo-1.1.tgz",),
    )


def state() -> State:
    return State(
        index=Index.of([FOO]),
        jobs={"j": RunningJob(id="j", element="foo.bst", attempt=1, failures=0, clients=())},
    )


def pending(version: str = "1.1", **how: object) -> PendingMove:
    wanted = WantedMove(current="1.0", version=version, feed="https://host/feed")
    return replace(PendingMove(wanted=wanted, found_at=0.0), **how)


def done(upgrade: Upgrade | None = UPGRADE, unmoved: Unmoved | None = None) -> JobDone:
    refs = tuple(
        SourceRef(
            index=index,
            kind="tar",
            url=f"https://host/{name}-1.1.tgz",
            ref=NEW if upgrade else OLD,
            moved=MOVE if upgrade else None,
        )
        for index, name in enumerate(("foo", "foo-doc"))
    )
    return JobDone(
        id="j/done",
        job_id="j",
        epoch=3,
        attempt=1,
        element="foo.bst",
        refs=refs,
        cached=True,
        element_key="k",
        source_keys=(),
        milliseconds={},
        upgrade=upgrade,
        unmoved=unmoved,
    )


def test_a_newer_version_is_wanted_and_looked_for() -> None:
    want, refresh = decide(found(), state())
    assert isinstance(want, Want)
    assert (want.wanted.version, want.wanted.urls) == ("1.1", ("https://host/foo-1.1.tgz",))
    assert refresh == Refresh(element="foo.bst")


@pytest.mark.parametrize("version", ["1.0", "0.9", "1.0rc1"])
def test_nothing_goes_down(version: str) -> None:
    (end,) = decide(found(version), state())
    assert isinstance(end, Conclude)
    assert end.reason == f"{version} is not newer than 1.0"


def test_what_is_announced_is_not_looked_for_again() -> None:
    known = state()
    known.moves["foo.bst"] = {0: MOVE}
    (end,) = decide(found(), known)
    assert isinstance(end, Conclude)
    assert [type(each) for each in decide(found("1.2"), known)] == [Want, Refresh]


def test_what_waits_or_was_refused_is_not_begun_again_but_for_a_newer_one() -> None:
    for how in (pending(due_at=9.0), pending(over=True, reason="is a page of HTML")):
        known = state()
        known.pending["foo.bst"] = [how]
        (end,) = decide(found(), known)
        assert isinstance(end, Conclude)
        assert [type(each) for each in decide(found("1.2"), known)] == [Want, Refresh]


def test_all_sources_are_announced_with_both_urls_the_versions_and_where_it_was_told() -> None:
    commands = decide(done(), state())
    (announced,) = [each for each in commands if isinstance(each, Announce)]
    assert announced.upgrade == UPGRADE
    assert [(each.base_url, each.url) for each in announced.changes] == [
        ("https://host/foo-1.0.tgz", "https://host/foo-1.1.tgz"),
        ("https://host/foo-doc-1.0.tgz", "https://host/foo-doc-1.1.tgz"),
    ]
    assert Arrived(element="foo.bst", version="1.1") in commands


def test_where_a_person_took_one_ref_back_none_is_announced() -> None:
    known = state()
    known.chosen["foo.bst"] = {1: NEW}
    commands = decide(done(), known)
    assert not [each for each in commands if isinstance(each, Announce)]
    assert Arrived(element="foo.bst", version="1.1") in commands


def test_what_is_not_there_yet_waits_longer_each_time_and_then_no_more() -> None:
    unmoved = Unmoved(version="1.1", reason="HTTP 404", waits=True)
    delays = []
    for tries in range(40):
        known = state()
        known.pending["foo.bst"] = [pending(tries=tries)]
        commands = decide(done(None, unmoved), known)
        (postponed,) = [each for each in commands if isinstance(each, Postpone)]
        assert not [each for each in commands if isinstance(each, Announce)]
        delays.append(postponed.delay)
    assert delays[:3] == [300.0, 600.0, 1200.0]
    told = [each for each in delays if each is not None]
    assert sum(told) <= 7 * 86400
    assert max(told) == 6 * 3600
    assert delays[len(told) :] == [None] * (40 - len(told))


def test_what_is_refused_is_not_tried_again() -> None:
    unmoved = Unmoved(version="1.1", reason="wrong checksum", waits=False)
    (postponed,) = [each for each in decide(done(None, unmoved), state()) if isinstance(each, Postpone)]
    assert postponed.delay is None
