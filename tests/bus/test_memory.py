"""What only the in-process bus promises: the sender keeps what is not yet handled."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.core.errors import Busy, Permanent, Temporary
from hookfetch.core.ports import MAX_ATTEMPTS
from tests.bus.conftest import QUICK
from tests.bus.recorder import Activations, Recorder, message, until


async def test_the_log_is_not_durable(tmp_path: Path) -> None:
    assert not MemoryBus(tmp_path).outlives_process


async def test_an_event_for_a_project_without_coordinator_stays_with_its_sender(tmp_path: Path) -> None:
    bus = MemoryBus(tmp_path)
    with pytest.raises(Temporary, match="glib: no coordinator is running"):
        await bus.publish_event("glib", message("request"))


async def test_a_fact_for_a_bound_project_without_coordinator_stays_with_its_sender(tmp_path: Path) -> None:
    bus, gtk = MemoryBus(tmp_path), Recorder()
    await bus.bind("glib", frozenset({"key"}))
    await bus.bind("gtk", frozenset({"key"}))
    await bus.coordinate("gtk", gtk, Activations())
    with pytest.raises(Temporary):
        await bus.publish_fact(["key"], message("push"))
    assert gtk.handled == ["push"]
    await bus.close()


async def test_publishing_returns_once_the_handler_has_finished(tmp_path: Path) -> None:
    bus, recorder = MemoryBus(tmp_path), Recorder(seconds=0.03)
    await bus.bind("glib", frozenset({"key"}))
    await bus.coordinate("glib", recorder, Activations())
    await bus.publish_fact(["key"], message("push"))
    assert recorder.handled == ["push"]
    await bus.publish_event("glib", message("request"))
    assert recorder.handled == ["push", "request"]
    await bus.close()


async def test_publishing_returns_once_a_hopeless_message_is_buried(tmp_path: Path) -> None:
    bus, recorder = MemoryBus(tmp_path), Recorder({"bad": [Permanent("unknown")]})
    await bus.coordinate("glib", recorder, Activations())
    await bus.publish_event("glib", message("bad"))
    assert [item.id for item in await bus.dead_letters()] == ["bad"]
    await bus.close()


async def test_a_message_that_cannot_be_buried_stays_with_its_sender(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bus, recorder = MemoryBus(tmp_path / "file"), Recorder({"bad": [Permanent("unknown")]})
    await bus.coordinate("glib", recorder, Activations())
    with pytest.raises(Temporary, match="cannot be kept"):
        await bus.publish_event("glib", message("bad"))
    await bus.publish_event("glib", message("next"))
    assert recorder.handled == ["next"]
    await bus.close()


async def test_a_job_that_cannot_be_buried_is_tried_again_until_it_can(tmp_path: Path) -> None:
    obstacle = tmp_path / "dead"
    obstacle.write_text("")
    bus, recorder = MemoryBus(obstacle, backoff=QUICK), Recorder({"bad": [Permanent("no element")] * 1000})
    await bus.work(recorder, 1)
    await bus.publish_job("p", "background", message("bad"))
    await until(lambda: len(recorder.ids) >= 3)
    obstacle.unlink()
    await until(lambda: obstacle.is_dir() and any(obstacle.glob("*.json")))
    assert [item.id for item in await bus.dead_letters()] == ["bad"]
    await bus.close()


async def test_senders_get_their_messages_back_when_the_last_coordinator_leaves(tmp_path: Path) -> None:
    bus, recorder = MemoryBus(tmp_path), Recorder(seconds=0.05)
    subscription = await bus.coordinate("glib", recorder, Activations())
    sending = [asyncio.create_task(bus.publish_event("glib", message(str(n)))) for n in range(3)]
    await until(lambda: recorder.running == 1)
    await subscription.cancel()
    results = await asyncio.gather(*sending, return_exceptions=True)
    assert results[0] is None
    assert [type(result) for result in results[1:]] == [Temporary, Temporary]
    assert recorder.handled == ["0"]


async def test_a_sender_waits_in_bounded_time_and_its_message_is_withdrawn(tmp_path: Path) -> None:
    bus, recorder = MemoryBus(tmp_path, patience=0.05), Recorder(seconds=0.3)
    await bus.coordinate("glib", recorder, Activations())
    sending = [asyncio.create_task(bus.publish_event("glib", message(str(n)))) for n in range(2)]
    results = await asyncio.gather(*sending, return_exceptions=True)
    assert [type(result) for result in results] == [Temporary, Temporary]
    await until(lambda: recorder.handled == ["0"])
    await bus.close()
    assert recorder.ids == ["0"]


async def test_a_retry_ends_when_its_sender_has_given_up(tmp_path: Path) -> None:
    bus = MemoryBus(tmp_path, backoff=QUICK)
    recorder = Recorder({"busy": [Temporary("store is locked")] * MAX_ATTEMPTS})
    await bus.coordinate("glib", recorder, Activations())
    sending = asyncio.create_task(bus.publish_event("glib", message("busy")))
    await until(lambda: len(recorder.ids) == 2)
    sending.cancel()
    await bus.publish_event("glib", message("next"))
    assert len(recorder.attempts("busy")) <= 3
    assert await bus.dead_letters() == []
    await bus.close()


async def test_a_full_queue_of_jobs_is_busy(tmp_path: Path) -> None:
    bus = MemoryBus(tmp_path, job_limit=2)
    for name in ("1", "2"):
        await bus.publish_job("p", "background", message(name))
    with pytest.raises(Busy, match="2 background jobs are waiting"):
        await bus.publish_job("p", "background", message("3"))
    await bus.publish_job("p", "interactive", message("4"))


async def test_the_log_keeps_its_newest_entries(tmp_path: Path) -> None:
    bus, recorder = MemoryBus(tmp_path, log_limit=3), Recorder()
    for number in range(8):
        await bus.publish_entry(message(str(number)))
    await bus.follow(recorder)
    await until(lambda: len(recorder.ids) == 3)
    assert recorder.ids == ["5", "6", "7"]
    await bus.close()


async def test_a_follower_that_falls_behind_the_window_goes_on_from_its_first_entry(tmp_path: Path) -> None:
    bus, recorder = MemoryBus(tmp_path, log_limit=3), Recorder(seconds=0.05)
    await bus.follow(recorder)
    await bus.publish_entry(message("0"))
    await until(lambda: recorder.running == 1)
    with capture_logs() as logs:
        for number in range(1, 10):
            await bus.publish_entry(message(str(number)))
        await until(lambda: "9" in recorder.handled)
    assert recorder.ids == ["0", "7", "8", "9"]
    assert {"event": "log_entries_missed", "count": 6, "log_level": "error"} in logs
    await bus.close()


async def test_a_full_inbox_is_busy(tmp_path: Path) -> None:
    bus, recorder = MemoryBus(tmp_path), Recorder(seconds=0.05)
    inbox = await bus.inbox(recorder)
    for number in range(1000):
        await bus.publish_reply(inbox.address, message(str(number)))
    with pytest.raises(Busy, match="1000 replies are waiting"):
        await bus.publish_reply(inbox.address, message("one more"))
    await inbox.cancel()
