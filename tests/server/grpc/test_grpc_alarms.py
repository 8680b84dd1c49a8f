"""Alarms among the updates of a log: numbered, filtered and resumed like them, and in no listing."""

import json
from pathlib import Path

import pytest

from hookfetch.client import Alarm, RefUpdate
from hookfetch.client.terminal import entry_line
from hookfetch.core.codec import dump_record
from hookfetch.core.entries import AlarmRaised
from hookfetch.core.ports import Message
from hookfetch.v1 import refs_pb2
from tests.server.grpc.gateway_lab import Lab, entry, gateway, take


def alarm(number: int, element: str = "core/glib.bst", *, followed: bool = True) -> AlarmRaised:
    return AlarmRaised(
        log_id="log-gnome",
        number=number,
        project="gnome",
        element=element,
        causes=("gitlab/7",),
        announced_at=1700000000.25,
        kind="tag_moved",
        repository="up.example/r",
        ref="refs/tags/v1",
        before="1" * 40,
        after="2" * 40,
        followed=followed,
    )


async def announce(lab: Lab, *entries: AlarmRaised) -> None:
    for item in entries:
        await lab.bus.publish_entry(Message(id=f"{item.project}/{item.number}", body=dump_record(item)))


async def test_an_alarm_comes_in_its_place_with_a_cursor_of_its_own(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1)) as lab:
        await announce(lab, alarm(2))
        async with lab.client.watch(start="oldest") as watch:
            update, found = await take(watch, 2)
        assert isinstance(update, RefUpdate)
        assert found == Alarm(
            project="gnome",
            element="core/glib.bst",
            kind="tag_moved",
            repository="up.example/r",
            ref="refs/tags/v1",
            before="1" * 40,
            after="2" * 40,
            followed=True,
            causes=("gitlab/7",),
            announced_at=1700000000.25,
            cursor="gnome/log-gnome:2",
        )
        await announce(lab, alarm(3, followed=False))
        async with lab.client.watch(cursor=found.cursor) as watch:
            [held] = await take(watch, 1)
        assert isinstance(held, Alarm)
        assert not held.followed


async def test_a_filter_means_alarms_too_and_a_listing_has_none(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1)) as lab:
        await announce(lab, alarm(2), alarm(3, "core/gtk.bst"))
        async with lab.client.watch(elements=["core/gtk.bst"], start="oldest") as watch:
            [found] = await take(watch, 1)
        assert (type(found), found.cursor) == (Alarm, "gnome/log-gnome:3")
        listing = await lab.client.list()
        assert [update.element_key for update in listing.updates] == ["key-1"]
        assert listing.cursor == "gnome/log-gnome:3"


def test_a_watcher_from_before_alarms_sees_an_event_it_does_not_know() -> None:
    # Field 15 stands for what a later version adds, as field 3 did.
    response = refs_pb2.WatchResponse.FromString(b"\x7a\x00")
    assert response.WhichOneof("event") is None


@pytest.mark.parametrize(("followed", "word"), [(True, "followed"), (False, "held")])
async def test_watch_prints_alarms_for_people_and_machines(tmp_path: Path, followed: bool, word: str) -> None:
    async with gateway(tmp_path) as lab:
        await announce(lab, alarm(1, followed=followed))
        async with lab.client.watch(start="oldest") as watch:
            [found] = await take(watch, 1)
    line = entry_line(found, as_json=False)
    assert "ALARM tag moved: refs/tags/v1 of up.example/r" in line
    assert word in line
    read = json.loads(entry_line(found, as_json=True))
    assert (read["event"], read["kind"], read["followed"]) == ("alarm", "tag_moved", followed)
