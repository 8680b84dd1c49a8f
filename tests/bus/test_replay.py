"""Dead letters are sifted by one at a time and sent again with their attempts, on either bus."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from hookfetch.bus.dead_letters import DeadLetterFolder
from hookfetch.bus.memory import replays
from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.core.errors import Permanent, Temporary
from hookfetch.core.ports import Bus, DeadLetter, Verdict
from tests.bus.rabbits import empty_shared_queues
from tests.bus.recorder import Recorder, in_the_end, letter, message, unique, until


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "INTERVAL", 0.05)


async def active() -> None:
    """Nothing is to be prepared."""


async def revive_all(bus: Bus) -> None:
    async def judge(letter: DeadLetter) -> Verdict:
        await bus.revive(letter)
        return "remove"

    await bus.sift(judge)


async def test_sifting_removes_what_it_is_told_and_stops_when_it_is_told(bus: Bus) -> None:
    for number in range(5):
        await bus.bury(letter(str(number)))
    seen: list[str] = []

    async def judge(letter: DeadLetter) -> Verdict:
        seen.append(letter.id)
        return "stop" if letter.id == "3" else "remove" if letter.id in "02" else "keep"

    await bus.sift(judge)
    assert seen == ["0", "1", "2", "3"]
    assert sorted(each.id for each in await bus.dead_letters()) == ["1", "3", "4"]


async def test_what_the_judge_raises_goes_through_and_the_letter_stays(bus: Bus) -> None:
    await bus.bury(letter("1"))

    async def judge(_: DeadLetter) -> Verdict:
        raise Temporary("cannot be sent now")

    with pytest.raises(Temporary, match="cannot be sent now"):
        await bus.sift(judge)
    assert [each.id for each in await bus.dead_letters()] == ["1"]


async def test_a_dead_event_is_handled_after_its_replay_and_its_letter_is_gone(bus: Bus) -> None:
    project = unique("p")
    await bus.bury(letter("event", origin=f"project:{project}"))
    recorder = Recorder()
    subscription = await bus.coordinate(project, recorder, active)
    await in_the_end(lambda: revive_all(bus))
    await until(lambda: recorder.handled == ["event"])
    assert recorder.messages[0].body == letter("event").body
    assert await bus.dead_letters() == []
    await subscription.cancel()


async def test_an_event_that_dies_again_has_the_attempts_of_both(bus: Bus) -> None:
    project = unique("p")
    errors: list[Exception] = [Permanent("no"), Temporary("later"), Permanent("no again")]
    recorder = Recorder({"event": errors})
    subscription = await bus.coordinate(project, recorder, active)
    await in_the_end(lambda: bus.publish_event(project, message("event")))
    await in_the_end(lambda: until_letter(bus, "no", attempts=1))
    await in_the_end(lambda: revive_all(bus))
    await in_the_end(lambda: until_letter(bus, "no again", attempts=3))
    await subscription.cancel()


async def until_letter(bus: Bus, reason: str, *, attempts: int) -> None:
    """Return once the only letter is this one."""
    async with asyncio.timeout(20):
        while [(each.reason, each.attempts) for each in await bus.dead_letters()] != [(reason, attempts)]:
            await asyncio.sleep(0.02)


def letters_of(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


async def test_a_replayed_event_waits_for_a_coordinator_that_is_not_running(tmp_path: Path) -> None:
    folder = DeadLetterFolder(tmp_path)
    buried = letter("event", origin="project:p")
    folder.add(buried)
    other = MemoryBus(tmp_path)  # as a command beside the service has it
    await other.start()
    await revive_all(other)
    await other.close()
    assert folder.letters() == []
    assert letters_of(tmp_path) == [".replay"]
    bus, recorder = MemoryBus(tmp_path), Recorder()
    await bus.start()
    await bus.coordinate("another", Recorder(), active)
    subscription = await bus.coordinate("p", recorder, active)
    await until(lambda: recorder.handled == ["event"] and not letters_of(tmp_path))
    await subscription.cancel()
    await bus.close()


_COORDINATOR = """
import asyncio, sys
from pathlib import Path
from hookfetch.bus.memory.bus import MemoryBus

async def main():
    bus = MemoryBus(Path(sys.argv[1]))
    await bus.start()

    async def handle(message):
        print("handling", message.id, flush=True)
        await asyncio.Event().wait()

    async def active():
        pass

    await bus.coordinate("p", handle, active)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_killed_while_it_handles_a_replayed_event_the_next_one_gets_it(tmp_path: Path) -> None:
    folder = DeadLetterFolder(tmp_path)
    folder.add(letter("event", origin="project:p"))
    assert folder.replay(folder.letters()[0])
    root = str(Path(__file__).parents[2])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _COORDINATOR, tmp_path),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"handling event\n"
    finally:
        process.kill()
        await process.communicate()
    bus, recorder = MemoryBus(tmp_path), Recorder()
    await bus.start()
    await bus.coordinate("p", recorder, active)
    await until(lambda: recorder.handled == ["event"] and not letters_of(tmp_path))
    await bus.close()


@pytest.mark.broker
async def test_two_that_look_at_once_each_see_all_letters(amqp_url: str) -> None:
    await empty_shared_queues(amqp_url)
    buses = [RabbitBus(amqp_url, confirm_timeout=10.0) for _ in range(3)]
    for bus in buses:
        await bus.start()
    for number in range(100):
        await buses[0].bury(letter(str(number)))
    seen = await asyncio.gather(*(bus.dead_letters() for bus in buses))
    assert [len(letters) for letters in seen] == [100, 100, 100]
    removed: list[str] = []

    async def drop(letter: DeadLetter) -> Verdict:
        removed.append(letter.id)
        return "remove"

    await asyncio.gather(*(bus.sift(drop) for bus in buses))
    assert sorted(removed) == sorted(str(number) for number in range(100))
    for bus in buses:
        await bus.close()


@pytest.mark.broker
async def test_one_that_looks_for_too_long_makes_the_other_give_up(amqp_url: str) -> None:
    await empty_shared_queues(amqp_url)
    slow, quick = RabbitBus(amqp_url, confirm_timeout=10.0), RabbitBus(amqp_url, confirm_timeout=0.5)
    await slow.start()
    await quick.start()
    await slow.bury(letter("1"))
    looking, go_on = asyncio.Event(), asyncio.Event()

    async def judge(_: DeadLetter) -> Verdict:
        looking.set()
        await go_on.wait()
        return "remove"

    first = asyncio.create_task(slow.sift(judge))
    await looking.wait()
    with pytest.raises(Temporary, match="another command is looking"):
        await quick.dead_letters()
    go_on.set()
    await first
    assert await quick.dead_letters() == []
    await slow.close()
    await quick.close()
