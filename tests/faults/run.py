"""One run: start everything, send deliveries while the plan is carried out, wait for quiet, judge."""

import asyncio
import contextlib
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.core.codec import load_record
from hookfetch.core.entries import Record
from hookfetch.core.ports import Message
from hookfetch.demo.lab import Lab, free_port
from tests.faults.plan import Fault, plan
from tests.faults.processes import Member
from tests.faults.traffic import Traffic
from tests.faults.verdict import Verdict, judge, open_work, outcomes_of
from tests.support.broker import PrivateBroker

Say = Callable[[str], None]

_READY_WITHIN = 90.0
_QUIET_WITHIN = 240.0
_HEARTBEAT = 2  # seconds: a frozen consumer is dropped after a few

_SETTINGS = """
[sweep]
interval = 1e7

[retry]
first = 0.2
most = 2.0
attempts = 100000
"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much a run does: distinct deliveries, faults, mean seconds between faults."""

    deliveries: int
    faults: int
    pause: float


async def run(root: Path, broker: PrivateBroker, seed: int, size: Size, say: Say) -> Verdict:
    """Carry out a run below `root` over `broker` and return its verdict; all that it started has ended."""
    async with contextlib.AsyncExitStack() as stack:
        lab = Lab(root, project=f"faults{seed}")
        stack.push_async_callback(asyncio.to_thread, lab.stop)
        await asyncio.to_thread(lab.start, f"{broker.url}?heartbeat={_HEARTBEAT}")
        committed = {f"{name}.bst": _head(lab, name) for name in lab.repositories}
        addresses = [lab.ingress, f"127.0.0.1:{free_port()}"]
        members = _members(lab, addresses[1])
        for member in members:
            stack.push_async_callback(member.stop)
            await member.start()
        await _ready(addresses, lab, say)
        seconds = size.faults * size.pause
        traffic = Traffic(lab, addresses, seed, rate=size.deliveries / max(seconds, 1.0))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(traffic.send(size.deliveries))
            tasks.create_task(_carry_out(plan(seed, size.faults, size.pause), members, broker, say))
        say(
            f"{len(traffic.taken.accepted)} accepted, {traffic.taken.repeated} of them sent twice,"
            f" {traffic.taken.refusals} refusals in between; waiting until all is quiet"
        )
        store = root / "state/projects" / lab.project / "store.sqlite"
        dead, records = await _quiet(broker.url, store, traffic, say)
        return judge(
            accepted=traffic.taken.accepted,
            broken=traffic.taken.broken,
            outcomes=outcomes_of(store),
            dead=dead,
            records=records,
            upstream={f"{name}.bst": _head(lab, name) for name in lab.repositories},
            committed=committed,
        )


def _head(lab: Lab, name: str) -> str:
    """Return the commit that tracking takes: the newest tag's of beta, the branch's of the others. Every
    tag of beta is on its newest commit of the time."""
    repository = lab.repositories[name]
    commit = repository.commit_of("refs/heads/main")
    assert commit is not None
    return commit


def _members(lab: Lab, second_door: str) -> list[Member]:
    text = lab.config.read_text() + _SETTINGS
    lab.config.write_text(text)
    other = lab.root / "other.toml"
    other.write_text(
        text.replace('state_dir = "state"', 'state_dir = "other"').replace(lab.ingress, second_door)
    )
    return [
        Member("ingress-1", "ingress", lab.config),
        Member("ingress-2", "ingress", other),
        Member("coordinator-1", "coordinator", lab.config),
        Member("coordinator-2", "coordinator", lab.config),  # stands by on the same disk
        Member("worker-1", "worker", lab.config),
        Member("worker-2", "worker", other),
        Member("gateway-1", "gateway", lab.config),
    ]


async def _ready(addresses: list[str], lab: Lab, say: Say) -> None:
    say("waiting for the doors and the first look at every upstream")
    store = lab.root / "state/projects" / lab.project / "store.sqlite"
    async with aiohttp.ClientSession() as session, asyncio.timeout(_READY_WITHIN):
        for address in addresses:
            while not await _answers(session, f"http://{address}/ready"):
                await asyncio.sleep(0.1)
        while not store.exists() or await asyncio.to_thread(_looked_at, store) < len(lab.repositories):
            await asyncio.sleep(0.1)


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def _carry_out(faults: list[Fault], members: list[Member], broker: PrivateBroker, say: Say) -> None:
    for number, fault in enumerate(faults, 1):
        await asyncio.sleep(fault.seconds)
        say(f"{number:3d}  {fault.kind} {fault.target} for {fault.lasting:.1f} s")
        if fault.target == "broker":
            await _hit_broker(broker, fault)
        elif fault.target in {"engine", "casd"}:
            _hit_child(members, fault)
        else:
            several = [member for member in members if member.role == fault.target]
            member = several[fault.which % len(several)]
            await (member.freeze(fault.lasting) if fault.kind == "freeze" else member.kill(fault.lasting))


async def _hit_broker(broker: PrivateBroker, fault: Fault) -> None:
    if fault.kind == "freeze":
        broker.freeze()
        try:
            await asyncio.sleep(fault.lasting)
        finally:
            broker.thaw()
        return
    broker.kill()
    await asyncio.sleep(fault.lasting)
    broker.launch()  # from this, the main thread
    await asyncio.to_thread(broker.wait_until_ready)


def _hit_child(members: list[Member], fault: Fault) -> None:
    word = {"engine": "hookfetch.engine", "casd": "buildbox-casd"}[fault.target]
    found = [child for member in members if member.role == "worker" for child in member.children(word)]
    if found:  # there is none between a worker's start and its first job
        with contextlib.suppress(ProcessLookupError):
            found[fault.which % len(found)].send_signal(signal.SIGKILL)


async def _quiet(url: str, store: Path, traffic: Traffic, say: Say) -> tuple[set[str], list[Record]]:
    """Wait until every accepted delivery has an end and no work is open; return the ids of the dead
    letters and the log as it stands on the broker. What is still open after the wait is the verdict's."""
    bus = RabbitBus(url, confirm_timeout=10.0)
    await bus.start()
    records: list[Record] = []

    async def take(message: Message) -> None:
        records.append(load_record(message.body))

    try:
        await bus.follow(take)
        until = time.monotonic() + _QUIET_WITHIN
        dead: set[str] = set()
        while time.monotonic() < until:
            ended = {
                d for d, ends in (await asyncio.to_thread(outcomes_of, store)).items() if None not in ends
            }
            work = await asyncio.to_thread(open_work, store)
            missing = traffic.taken.accepted - ended - dead
            if missing:
                dead = {letter.id for letter in await bus.dead_letters()}
            seen = len(records)
            await asyncio.sleep(1.0)
            if not missing and not work and seen == len(records):
                break
        else:
            say(f"not quiet after {_QUIET_WITHIN:.0f} s: {len(missing)} without an end; {work[:300]}")
        return {letter.id for letter in await bus.dead_letters()}, records
    finally:
        await bus.close()


def _looked_at(store: Path) -> int:
    with sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True) as db:
        try:
            return int(db.execute("SELECT count(*) FROM observed_repositories").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
