"""What every bus promises about facts, events and who handles them."""

import asyncio
from functools import partial

import pytest
from structlog.testing import capture_logs

from hookfetch.core.errors import Permanent, Temporary
from hookfetch.core.ports import MAX_ATTEMPTS, Bus, Message, Subscription
from tests.bus.conftest import Connect
from tests.bus.recorder import Activations, Recorder, in_the_end, message, unique, until, until_letters


async def coordinated(bus: Bus, project: str, recorder: Recorder) -> Subscription:
    """Coordinate `project` and wait until that is so."""
    active = Activations()
    subscription = await bus.coordinate(project, recorder, active)
    await until(lambda: active.count >= 1)
    return subscription


async def test_a_fact_reaches_every_project_bound_to_its_key(bus: Bus) -> None:
    key, glib, gtk, other = unique("key"), unique("glib"), unique("gtk"), unique("other")
    seen = {project: Recorder() for project in (glib, gtk, other)}
    for project, recorder in seen.items():
        await bus.bind(project, frozenset({key if project != other else unique("key")}))
        await coordinated(bus, project, recorder)
    await bus.publish_fact([key], message("push"))
    await until(lambda: seen[glib].ids == ["push"] and seen[gtk].ids == ["push"])
    assert seen[other].ids == []
    assert seen[glib].messages[0] == Message(id="push", body=b"body of push", attempt=1)


async def test_a_fact_with_several_keys_reaches_a_project_once(bus: Bus) -> None:
    old, new, project, recorder = unique("old"), unique("new"), unique("p"), Recorder()
    await bus.bind(project, frozenset({old, new}))
    await coordinated(bus, project, recorder)
    await bus.publish_fact([old, new, unique("elsewhere")], message("moved"))
    await bus.publish_event(project, message("after"))
    await until(lambda: "after" in recorder.ids)
    assert recorder.ids == ["moved", "after"]


async def test_a_fact_is_routed_by_each_of_its_keys(bus: Bus) -> None:
    old, new, project, recorder = unique("old"), unique("new"), unique("p"), Recorder()
    await bus.bind(project, frozenset({new}))
    await coordinated(bus, project, recorder)
    await bus.publish_fact([old, new], message("moved"))
    await until(lambda: recorder.ids == ["moved"])


async def test_a_fact_that_no_project_follows_goes_nowhere(bus: Bus) -> None:
    await bus.publish_fact([unique("nobody's")], message("push"))
    await bus.publish_fact([], message("push"))


async def test_binding_makes_the_keys_exactly_the_given_ones(bus: Bus) -> None:
    kept, dropped, added, project, recorder = (*map(unique, ("a", "b", "c", "p")), Recorder())
    await bus.bind(project, frozenset({kept, dropped}))
    await coordinated(bus, project, recorder)
    await bus.bind(project, frozenset({kept, added}))
    for key in (dropped, kept, added):
        await bus.publish_fact([key], message(key))
    await until(lambda: added in recorder.ids)
    assert recorder.ids == [kept, added]


async def test_binding_replaces_what_an_earlier_process_had_bound(connect: Connect) -> None:
    stale, fresh, project, recorder = unique("stale"), unique("fresh"), unique("p"), Recorder()
    await (await connect()).bind(project, frozenset({stale}))
    bus = await connect()
    await bus.bind(project, frozenset({fresh}))
    await coordinated(bus, project, recorder)
    for key in (stale, fresh):
        await bus.publish_fact([key], message(key))
    await until(lambda: fresh in recorder.ids)
    assert recorder.ids == [fresh]


async def test_no_keys_unbind_a_project(bus: Bus) -> None:
    key, project, recorder = unique("key"), unique("p"), Recorder()
    await bus.bind(project, frozenset({key}))
    await bus.bind(project, frozenset())
    await coordinated(bus, project, recorder)
    await bus.publish_fact([key], message("push"))
    await bus.publish_event(project, message("after"))
    await until(lambda: "after" in recorder.ids)
    assert recorder.ids == ["after"]


async def test_a_project_s_events_and_facts_are_handled_one_at_a_time(bus: Bus) -> None:
    key, project, recorder = unique("key"), unique("p"), Recorder(seconds=0.003)
    await bus.bind(project, frozenset({key}))
    await coordinated(bus, project, recorder)
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            sent = message(f"{number:02}")
            group.create_task(
                bus.publish_fact([key], sent) if number % 2 else bus.publish_event(project, sent)
            )
    await until(lambda: len(recorder.ids) == 20)
    assert recorder.most_running == 1


async def test_one_sender_s_events_keep_their_order(bus: Bus) -> None:
    project, recorder = unique("p"), Recorder()
    await coordinated(bus, project, recorder)
    sent = [f"{number:02}" for number in range(30)]
    for name in sent:
        await bus.publish_event(project, message(name))
    await until(lambda: len(recorder.ids) == 30)
    assert recorder.ids == sent


async def test_what_fails_temporarily_is_delivered_again_before_what_follows(bus: Bus) -> None:
    project = unique("p")
    recorder = Recorder({"first": [Temporary("store is locked"), Temporary("store is locked")]})
    await coordinated(bus, project, recorder)
    async with asyncio.TaskGroup() as group:
        group.create_task(bus.publish_event(project, message("first")))
        await until(lambda: recorder.ids[:1] == ["first"])
        group.create_task(bus.publish_event(project, message("second")))
    await until(lambda: "second" in recorder.handled)
    assert recorder.ids == ["first", "first", "first", "second"]
    assert recorder.attempts("first") == [1, 2, 3]
    assert await bus.dead_letters() == []


async def test_what_fails_temporarily_too_often_is_buried(bus: Bus) -> None:
    project = unique("p")
    recorder = Recorder({"stuck": [Temporary("never\nthere")] * (MAX_ATTEMPTS + 5)})
    await coordinated(bus, project, recorder)
    await bus.publish_event(project, message("stuck"))
    await bus.publish_event(project, message("next"))
    await until(lambda: "next" in recorder.handled)
    assert recorder.attempts("stuck") == list(range(1, MAX_ATTEMPTS + 1))
    [letter] = await bus.dead_letters()
    assert (letter.id, letter.reason, letter.attempts) == ("stuck", "never there", MAX_ATTEMPTS)


async def test_what_fails_permanently_is_buried_at_once(bus: Bus) -> None:
    project, recorder = unique("p"), Recorder({"bad": [Permanent("unknown event")]})
    await coordinated(bus, project, recorder)
    await bus.publish_event(project, message("bad"))
    await bus.publish_event(project, message("next"))
    await until(lambda: "next" in recorder.handled)
    [letter] = await bus.dead_letters()
    assert (letter.id, letter.origin, letter.body) == ("bad", f"project:{project}", b"body of bad")
    assert (letter.reason, letter.attempts) == ("unknown event", 1)


async def test_a_bug_buries_its_message_with_a_traceback_in_the_log(bus: Bus) -> None:
    project, recorder = unique("p"), Recorder({"odd": [ZeroDivisionError("by nothing")]})
    await coordinated(bus, project, recorder)
    with capture_logs() as logs:
        await bus.publish_event(project, message("odd"))
        await bus.publish_event(project, message("next"))
        await until(lambda: "next" in recorder.handled)
    [letter] = await bus.dead_letters()
    assert letter.reason == "bug: ZeroDivisionError: by nothing"
    [entry] = [entry for entry in logs if entry["event"] == "handler_failed"]
    assert entry["exc_info"]
    assert entry["message_id"] == "odd"


async def test_a_dead_letter_is_exhumed_and_replayed(bus: Bus) -> None:
    project, recorder = unique("p"), Recorder({"bad": [Permanent("not yet understood")]})
    await coordinated(bus, project, recorder)
    await bus.publish_event(project, message("bad"))
    await until(lambda: recorder.ids == ["bad"])
    await until_letters(bus, 1)
    letter = await bus.exhume("bad")
    assert letter is not None
    await bus.publish_event(project, Message(id=letter.id, body=letter.body))
    await until(lambda: recorder.handled == ["bad"])
    assert recorder.messages[-1] == message("bad")
    assert await bus.dead_letters() == []
    assert await bus.exhume("bad") is None


async def test_an_idle_project_s_coordinator_becomes_active(bus: Bus) -> None:
    active, recorder = Activations(), Recorder()
    await bus.coordinate(unique("p"), recorder, active)
    await until(lambda: active.count == 1)
    assert recorder.ids == []


async def test_a_coordinator_is_active_before_its_first_message(bus: Bus) -> None:
    project, order = unique("p"), []

    async def on_active() -> None:
        await asyncio.sleep(0.05)
        order.append("active")

    async def handler(received: Message) -> None:
        order.append(received.id)

    await bus.coordinate(project, handler, on_active)
    await in_the_end(partial(bus.publish_event, project, message("first")))
    await until(lambda: "first" in order)
    assert order[:2] == ["active", "first"]


async def test_of_two_coordinators_one_is_active_and_the_other_takes_over(connect: Connect) -> None:
    project, one, two = unique("p"), Recorder(), Recorder()
    first_active, second_active = Activations(), Activations()
    bus, other = await connect(), await connect()
    first = await bus.coordinate(project, one, first_active)
    await until(lambda: first_active.count == 1)
    await other.coordinate(project, two, second_active)
    for name in ("1", "2", "3"):
        await bus.publish_event(project, message(name))
    await until(lambda: len(one.ids) == 3)
    assert second_active.count == 0
    await first.cancel()
    await until(lambda: second_active.count == 1)
    await bus.publish_event(project, message("4"))
    await until(lambda: two.ids == ["4"])
    assert one.ids == ["1", "2", "3"]
    assert first_active.count == 1


async def test_a_message_in_its_pause_goes_to_the_coordinator_that_takes_over(connect: Connect) -> None:
    project, active, standby = unique("p"), Activations(), Activations()
    one, two = Recorder({"busy": [Temporary("still busy")] * MAX_ATTEMPTS}), Recorder()
    bus, other = await connect(), await connect()
    first = await bus.coordinate(project, one, active)
    await until(lambda: active.count == 1)
    await other.coordinate(project, two, standby)
    sending = asyncio.create_task(bus.publish_event(project, message("busy")))
    await until(lambda: len(one.ids) >= 2)
    await first.cancel()
    await until(lambda: two.handled == ["busy"])
    await sending
    assert two.messages[0].attempt > len(one.ids)
    assert standby.count == 1


async def test_of_two_coordinators_that_start_at_once_one_becomes_active(connect: Connect) -> None:
    project, one, two = unique("p"), Recorder(), Recorder()
    active = Activations()
    for bus, recorder in ((await connect(), one), (await connect(), two)):
        await bus.coordinate(project, recorder, active)
    await until(lambda: active.count >= 1)
    for name in ("1", "2", "3"):
        await in_the_end(partial(bus.publish_event, project, message(name)))
    await until(lambda: {*one.ids, *two.ids} == {"1", "2", "3"})
    assert [] in (one.ids, two.ids)


async def test_a_coordinator_that_cannot_become_active_tries_again(bus: Bus) -> None:
    project, recorder = unique("p"), Recorder()
    active = Activations([Temporary("store is locked"), ZeroDivisionError("a bug")])
    await bus.coordinate(project, recorder, active)
    await until(lambda: active.count == 1)
    await bus.publish_event(project, message("first"))
    await until(lambda: recorder.handled == ["first"])


async def test_cancelling_a_coordinator_waits_for_its_handler(bus: Bus) -> None:
    project, recorder = unique("p"), Recorder(seconds=0.1)
    subscription = await coordinated(bus, project, recorder)
    sending = asyncio.create_task(bus.publish_event(project, message("slow")))
    await until(lambda: recorder.running == 1)
    await subscription.cancel()
    assert recorder.handled == ["slow"]
    await sending


async def test_closing_the_bus_waits_for_running_handlers(connect: Connect) -> None:
    bus, project, recorder = await connect(), unique("p"), Recorder(seconds=0.1)
    await coordinated(bus, project, recorder)
    sending = asyncio.create_task(bus.publish_event(project, message("slow")))
    await until(lambda: recorder.running == 1)
    await bus.close()
    assert recorder.handled == ["slow"]
    await asyncio.gather(sending, return_exceptions=True)


async def test_a_cancelled_coordinator_takes_nothing_more(connect: Connect) -> None:
    bus, project, gone, next_one = await connect(), unique("p"), Recorder(), Recorder()
    subscription = await coordinated(bus, project, gone)
    await subscription.cancel()
    await coordinated(bus, project, next_one)
    await bus.publish_event(project, message("late"))
    await until(lambda: next_one.handled == ["late"])
    assert gone.ids == []


@pytest.mark.parametrize("body", [b"", b"\x00\xff" * 10, b"x" * 300_000], ids=["empty", "binary", "large"])
async def test_a_body_arrives_as_it_was_sent(bus: Bus, body: bytes) -> None:
    project, recorder = unique("p"), Recorder()
    await coordinated(bus, project, recorder)
    await bus.publish_event(project, Message(id="body", body=body))
    await until(lambda: bool(recorder.messages))
    assert recorder.messages[0].body == body
