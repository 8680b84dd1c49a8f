"""What every bus promises about jobs, the log, replies and dead letters."""

import asyncio

from hookfetch.core.errors import Permanent, Temporary
from hookfetch.core.ports import MAX_ATTEMPTS, Bus, Message
from tests.bus.conftest import Connect
from tests.bus.recorder import Recorder, letter, message, unique, until, until_letters


async def test_interactive_jobs_come_before_waiting_background_jobs(bus: Bus) -> None:
    for name in ("b1", "b2"):
        await bus.publish_job("p", "background", message(name))
    for name in ("i1", "i2"):
        await bus.publish_job("p", "interactive", message(name))
    recorder = Recorder()
    await bus.work(recorder, 1)
    await until(lambda: len(recorder.ids) == 4)
    assert recorder.ids == ["i1", "i2", "b1", "b2"]


async def test_an_interactive_job_overtakes_background_jobs_while_a_worker_is_busy(bus: Bus) -> None:
    recorder = Recorder(seconds=0.1)
    await bus.work(recorder, 1)
    await bus.publish_job("p", "background", message("b1"))
    await until(lambda: recorder.ids == ["b1"])
    await bus.publish_job("p", "background", message("b2"))
    await bus.publish_job("p", "interactive", message("i1"))
    await until(lambda: len(recorder.ids) == 3)
    assert recorder.ids == ["b1", "i1", "b2"]


async def test_a_worker_runs_as_many_jobs_at_once_as_it_is_told(bus: Bus) -> None:
    recorder = Recorder(seconds=0.1)
    await bus.work(recorder, 3)
    for number in range(9):
        await bus.publish_job("p", "background", message(f"job-{number}"))
    await until(lambda: len(recorder.handled) == 9)
    assert recorder.most_running == 3


async def test_each_job_goes_to_one_of_several_workers(connect: Connect) -> None:
    one, two = Recorder(seconds=0.02), Recorder(seconds=0.02)
    await (await connect()).work(one, 1)
    bus = await connect()
    await bus.work(two, 1)
    jobs = {f"job-{number}" for number in range(10)}
    for job in sorted(jobs):
        await bus.publish_job("p", "background", message(job))
    await until(lambda: len(one.handled) + len(two.handled) == 10)
    assert {*one.ids, *two.ids} == jobs
    assert one.ids
    assert two.ids


async def test_a_job_wakes_an_idle_worker_each_time(bus: Bus) -> None:
    recorder, published = Recorder(), list[str]()
    await bus.work(recorder, 2)
    for number in range(5):
        published.append(str(number))
        await bus.publish_job("p", "background" if number % 2 else "interactive", message(str(number)))
        await until(lambda: recorder.handled == published)


async def test_a_job_that_fails_temporarily_is_tried_again_and_then_buried(bus: Bus) -> None:
    recorder = Recorder({"flaky": [Temporary("died")], "stuck": [Temporary("died")] * MAX_ATTEMPTS})
    await bus.work(recorder, 2)
    await bus.publish_job("p", "interactive", message("flaky"))
    await bus.publish_job("p", "background", message("stuck"))
    await until(lambda: len(recorder.attempts("stuck")) == MAX_ATTEMPTS and "flaky" in recorder.handled)
    await until_letters(bus, 1)
    [buried] = await bus.dead_letters()
    assert (buried.id, buried.origin, buried.attempts) == ("stuck", "jobs", MAX_ATTEMPTS)
    assert recorder.attempts("flaky") == [1, 2]


async def test_a_hopeless_job_is_buried_and_the_worker_goes_on(bus: Bus) -> None:
    recorder = Recorder({"bad": [Permanent("no such element")], "odd": [KeyError("x")]})
    await bus.work(recorder, 1)
    for name in ("bad", "odd", "good"):
        await bus.publish_job("p", "background", message(name))
    await until(lambda: recorder.handled == ["good"])
    letters = await bus.dead_letters()
    assert [item.reason for item in letters] == ["no such element", "bug: KeyError: 'x'"]


async def test_cancelling_a_worker_waits_for_its_jobs_and_leaves_the_rest(bus: Bus) -> None:
    recorder, next_worker = Recorder(seconds=0.1), Recorder()
    worker = await bus.work(recorder, 1)
    for name in ("1", "2"):
        await bus.publish_job("p", "background", message(name))
    await until(lambda: recorder.running == 1)
    await worker.cancel()
    assert recorder.handled == ["1"]
    await bus.work(next_worker, 1)
    await until(lambda: next_worker.handled == ["2"])


async def test_a_follower_reads_the_log_from_its_first_entry_and_then_as_it_grows(bus: Bus) -> None:
    name, recorder = unique("entry"), Recorder()

    def mine() -> list[str]:
        return [entry for entry in recorder.ids if entry.startswith(name)]

    for number in range(5):
        await bus.publish_entry(message(f"{name}-{number:02}"))
    await bus.follow(recorder)
    await until(lambda: len(mine()) == 5)
    for number in range(5, 10):
        await bus.publish_entry(message(f"{name}-{number:02}"))
    await until(lambda: len(mine()) == 10)
    assert mine() == [f"{name}-{number:02}" for number in range(10)]


async def test_every_follower_reads_every_entry(connect: Connect) -> None:
    name, one, two = unique("entry"), Recorder(), Recorder()
    bus = await connect()
    await bus.follow(one)
    await (await connect()).follow(two)
    await bus.publish_entry(message(name))
    await until(lambda: name in one.ids and name in two.ids)


async def test_a_slow_follower_holds_up_nobody(bus: Bus) -> None:
    name, fast, started, end = unique("entry"), Recorder(), [], asyncio.Event()

    async def stuck(entry: Message) -> None:
        started.append(entry.id)
        await end.wait()

    await bus.follow(stuck)
    await bus.follow(fast)
    for number in range(50):
        await bus.publish_entry(message(f"{name}-{number}"))
    await until(lambda: f"{name}-49" in fast.ids)
    assert len(started) == 1
    end.set()


async def test_an_entry_is_tried_again_and_passed_over_when_hopeless(bus: Bus) -> None:
    bad, flaky, good = unique("bad"), unique("flaky"), unique("good")
    recorder = Recorder({bad: [Permanent("unknown version")], flaky: [Temporary("not now")]})
    await bus.follow(recorder)
    for name in (bad, flaky, good):
        await bus.publish_entry(message(name))
    await until(lambda: good in recorder.handled)
    assert [name for name in recorder.ids if name in (bad, flaky, good)] == [bad, flaky, flaky, good]
    assert recorder.attempts(flaky) == [1, 2]
    assert await bus.dead_letters() == []


async def test_a_reply_reaches_the_inbox_that_it_is_addressed_to(connect: Connect) -> None:
    one, two = Recorder(), Recorder()
    bus, other = await connect(), await connect()
    first, second = await bus.inbox(one), await other.inbox(two)
    assert first.address != second.address
    await other.publish_reply(first.address, message("answer"))
    await until(lambda: one.handled == ["answer"])
    assert one.messages == [message("answer")]
    assert two.ids == []


async def test_a_reply_is_handled_at_most_once(bus: Bus) -> None:
    recorder = Recorder({"lost": [Temporary("not now")]})
    inbox = await bus.inbox(recorder)
    for name in ("lost", "next"):
        await bus.publish_reply(inbox.address, message(name))
    await until(lambda: recorder.handled == ["next"])
    assert recorder.ids == ["lost", "next"]
    assert await bus.dead_letters() == []


async def test_a_reply_to_a_vanished_inbox_is_forgotten(bus: Bus) -> None:
    recorder = Recorder()
    inbox = await bus.inbox(recorder)
    await inbox.cancel()
    await bus.publish_reply(inbox.address, message("late"))
    await bus.publish_reply("amq.gen-of-nobody", message("late"))
    assert recorder.ids == []


async def test_dead_letters_are_kept_whole_and_listed_oldest_first(connect: Connect) -> None:
    bus = await connect()
    letters = [letter(f"hook/{number}", body=bytes(range(256))) for number in range(5)]
    for buried in [letters[2], letters[0], letters[1], letters[4], letters[3]]:
        await bus.bury(buried)
    assert await bus.dead_letters() == letters
    assert await (await connect()).dead_letters() == letters


async def test_exhuming_removes_one_letter_and_leaves_the_others(bus: Bus) -> None:
    letters = [letter(unique("hook/delivery")) for _ in range(3)]
    for buried in letters:
        await bus.bury(buried)
    assert await bus.exhume(letters[1].id) == letters[1]
    assert await bus.dead_letters() == [letters[0], letters[2]]
    assert await bus.exhume("unknown") is None


async def test_one_message_that_dies_in_two_projects_has_two_letters(bus: Bus) -> None:
    for project in ("glib", "gtk"):
        await bus.bury(letter("push", origin=f"project:{project}"))
    first, second = await bus.exhume("push"), await bus.exhume("push")
    assert first is not None
    assert second is not None
    assert [first.origin, second.origin] == ["project:glib", "project:gtk"]


async def test_a_letter_s_id_may_be_long_and_odd(bus: Bus) -> None:
    odd = letter("hook/../\u00e9/" + "x" * 1000)
    await bus.bury(odd)
    assert await bus.exhume(odd.id) == odd
