"""Replays of many dead letters, and ones that were killed in the middle: nothing lost, nothing overfilled,
and at worst a repeat that changes nothing."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from hookfetch.bootstrap import bus_of, spools_of
from hookfetch.bus.dead_letters import DeadLetterFolder
from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.config import load_config
from hookfetch.core.codec import dump_event
from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Busy
from hookfetch.core.events import BranchPushed, UpstreamFact
from hookfetch.core.ports import DeadLetter, Verdict
from hookfetch.core.repository import identify
from hookfetch.dead import replay
from hookfetch.server.relay import Relay
from hookfetch.spool import SegmentSpool
from hookfetch.spool.record import encode_delivery
from tests.bus.rabbits import empty_shared_queues
from tests.bus.recorder import unique
from tests.coordinator.service import NEW, FakeEngine, Service, until, until_rows, url
from tests.server.test_relay import LineForge
from tests.spool.spooling import files
from tests.support.commands import run as hookfetch

SPOOL_MOST = 256 * 1024
MANY = 300
WITHIN = 30.0


def configured(folder: Path, broker: str | None = None) -> Path:
    bus = f"[bus]\nurl = '{broker}'\n" if broker else ""
    file = folder / "hookfetch.toml"
    file.write_text(f"state_dir = 'state'\n[ingress]\nspool_max = {SPOOL_MOST}\n{bus}")
    return file


def dead_delivery(name: str, body: bytes) -> DeadLetter:
    delivery = Delivery(id=f"lines/{name}", hook="lines", headers={}, body=body, received_at=time.time())
    return DeadLetter(
        id=delivery.id,
        origin="delivery",
        reason="forge: no known form",
        attempts=1,
        failed_at=time.time(),
        body=encode_delivery(delivery),
    )


def repository(name: str) -> str:
    return str(identify(url(name)))


async def test_a_replay_of_many_times_the_spool_never_overfills_it_and_ends_after_some_rounds(
    tmp_path: Path,
) -> None:
    config = load_config(configured(tmp_path))
    bus = bus_of(config)
    for number in range(MANY):
        await bus.bury(dead_delivery(str(number), os.urandom(2000)))
    spooled, rounds, fullest = set[str](), 0, 0

    async def judge(letter: DeadLetter) -> Verdict:
        nonlocal fullest
        await replay(bus, config, letter)
        if letter.id.endswith("0"):
            fullest = max(fullest, sum(file.stat().st_size for file in files(config.state_dir / "spool")))
        return "remove"

    while await bus.dead_letters():
        rounds += 1
        try:
            await bus.sift(judge)
        except Busy as error:
            assert "try again when the service has" in str(error)  # noqa: PT017 - not each round
        async with SegmentSpool(config.state_dir / "spool", SPOOL_MOST) as spool:
            left = len(files(config.state_dir / "spool", "*.sealed"))
            while left:
                taken = await spool.take(1000)
                spooled |= {each.delivery.id for each in taken}
                left -= len(taken)
                await spool.done(taken)
    assert spooled == {f"lines/{number}" for number in range(MANY)}
    assert rounds >= 4
    assert SPOOL_MOST // 4 < fullest <= SPOOL_MOST // 2


# The command up to the line after a letter was sent, where it is killed.
_KILLED = """
import asyncio, sys
import hookfetch.dead
from hookfetch.cli import main

replay = hookfetch.dead.replay

async def replay_and_halt(*arguments):
    await replay(*arguments)
    print("sent", flush=True)
    await asyncio.Event().wait()

hookfetch.dead.replay = replay_and_halt
main(["dead", "replay", "--all", "--config", sys.argv[1]])
"""


async def kill_a_replay_between_sending_and_removing(config: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _KILLED, config), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WITHIN):
            assert await process.stdout.readline() == b"sent\n"
        process.send_signal(signal.SIGKILL)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def replay_all(config: Path) -> str:
    """Replay as a person does who looks again; return what was said."""
    async with asyncio.timeout(WITHIN):
        while True:
            done = await asyncio.to_thread(hookfetch, "dead", "replay", "--all", "--config", str(config))
            # A broker lets the killed one's hold on the letters go with its connection.
            if done.returncode == 0 and done.stdout:
                return done.stdout
            await asyncio.sleep(0.1)


async def test_a_delivery_whose_replay_was_killed_is_one_update_however_often_it_is_sent(
    tmp_path: Path,
) -> None:
    config = configured(tmp_path)
    folder = DeadLetterFolder(tmp_path / "state" / "dead")
    folder.add(dead_delivery("1", f"{repository('a')} main".encode()))
    await kill_a_replay_between_sending_and_removing(config)
    assert [letter.id for letter in folder.letters()] == ["lines/1"]
    assert await replay_all(config) == "lines/1  replayed\n"
    assert folder.letters() == []
    assert len(files(tmp_path / "state" / "spool", "*.sealed")) == 2
    engine = FakeEngine(a=NEW)
    async with (
        Service(tmp_path, engine) as service,
        SegmentSpool(tmp_path / "state" / "spool", SPOOL_MOST) as spool,
    ):
        relay = Relay(spool, {"lines": LineForge()}, service.bus)
        await relay.start()
        await until(lambda: not files(tmp_path / "state" / "spool", "*.sealed"))
        await relay.stop()
        await settled(service, engine, "lines/1")


class CountingForge(LineForge):
    """Notes what it parsed."""

    def __init__(self) -> None:
        self.parsed: list[str] = []

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        self.parsed.append(delivery.id)
        return super().parse(delivery)


async def settled(service: Service, engine: FakeEngine, delivery: str) -> None:
    """Return once nothing is open; fail unless `delivery` had one event, one job and one entry."""
    await until(lambda: len(service.entries) == 1)
    await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
    events = await service.rows("SELECT id, outcome FROM events WHERE type = 'branch_pushed'")
    assert events == [(f"{delivery}#0", "done")]
    assert [job.element for job in engine.ran] == ["a.bst"]
    assert [entry.causes for entry in service.entries] == [(delivery,)]


def dead_event(project: str) -> DeadLetter:
    name = identify(url("a"))
    assert name is not None
    event = BranchPushed(
        id="lines/1#0",
        delivery_id="lines/1",
        observed_at=0.0,
        repositories=(name,),
        ref="refs/heads/main",
        after=NEW,
    )
    return DeadLetter(
        id=event.id,
        origin=f"project:{project}",
        reason="bug: KeyError",
        attempts=1,
        failed_at=time.time(),
        body=dump_event(event),
    )


async def test_an_event_whose_replay_was_killed_is_taken_up_once(tmp_path: Path) -> None:
    config = configured(tmp_path)
    folder = DeadLetterFolder(tmp_path / "state" / "dead")
    folder.add(dead_event("p"))
    await kill_a_replay_between_sending_and_removing(config)
    assert folder.letters() == []  # marking it is one rename: it is in one place at any time
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine, bus=MemoryBus(tmp_path / "state" / "dead")) as service:
        await settled(service, engine, "lines/1")
        await until(lambda: not files(tmp_path / "state" / "dead"))


@pytest.mark.broker
@pytest.mark.parametrize("kind", ["delivery", "event"])
async def test_on_a_broker_a_killed_replay_is_one_update_too(
    tmp_path: Path, amqp_url: str, kind: str
) -> None:
    await empty_shared_queues(amqp_url)
    config, project = configured(tmp_path, amqp_url), unique("p")
    letters: Mapping[str, DeadLetter] = {
        "delivery": dead_delivery(project, f"{repository('a')} main".encode()),
        "event": dead_event(project),
    }
    settings = load_config(config)
    bus, engine = bus_of(settings), FakeEngine(a=NEW)
    await bus.start()
    async with Service(tmp_path, engine, bus=bus, project=project) as service:
        await bus.bury(letters[kind])
        await kill_a_replay_between_sending_and_removing(config)
        assert f"{letters[kind].id}  replayed" in await replay_all(config)
        assert await bus.dead_letters() == []
        shared = spools_of(settings)[1]
        await shared.open()
        forge = CountingForge()
        relay = Relay(shared, {"lines": forge}, bus)
        await relay.start()
        if kind == "delivery":
            await until(lambda: len(forge.parsed) == 2, WITHIN)
        await settled(service, engine, f"lines/{project}" if kind == "delivery" else "lines/1")
        await relay.stop()
        await shared.close()
