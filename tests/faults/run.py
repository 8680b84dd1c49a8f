"""One run: start everything, send deliveries while the plan is carried out, wait for quiet, judge."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.topology import project_queue
from hookfetch.core.codec import load_record
from hookfetch.core.entries import Record
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import Message
from hookfetch.demo.lab import Lab, free_port
from tests.faults.disk import MountRefused, SmallDisk
from tests.faults.hits import Hits, Say
from tests.faults.plan import DISKS, LEADER, plan, seconds_of
from tests.faults.processes import Member
from tests.faults.replays import Replays
from tests.faults.traffic import Traffic
from tests.faults.verdict import Verdict, judge, open_work, outcomes_of
from tests.support.broker import PrivateBroker
from tests.support.cluster import PrivateCluster

_READY_WITHIN = 90.0
_QUIET_WITHIN = 240.0
_HEARTBEAT = 2  # seconds: a frozen consumer is dropped after a few

_SETTINGS = """
[sweep]
interval_least = 1e7
interval_most = 1e7

[retry]
first = 0.2
most = 2.0
attempts = 100000
"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much a run does: distinct deliveries, faults, mean seconds between faults, replays."""

    deliveries: int
    faults: int
    pause: float
    replays: int


async def run(root: Path, broker: PrivateBroker | PrivateCluster, seed: int, size: Size, say: Say) -> Verdict:
    """Carry out a run below `root` over `broker` and return its verdict; all that it started has ended."""
    async with contextlib.AsyncExitStack() as stack:
        lab = Lab(root, project=f"faults{seed}")
        stack.push_async_callback(asyncio.to_thread, lab.stop)
        url = f"{broker.url}?heartbeat={_HEARTBEAT}"
        await asyncio.to_thread(lab.start, url)
        committed = {f"{name}.bst": _head(lab, name) for name in lab.repositories}
        disks, missing = _disks(lab, size, stack, say)
        addresses = [lab.ingress, f"127.0.0.1:{free_port()}"]
        members = _members(lab, addresses)
        for member in members:
            stack.push_async_callback(member.stop)
            await member.start()
        await _ready(addresses, lab, say)
        bus = await stack.enter_async_context(_bus(url))
        without = (set() if disks else DISKS) | (set() if isinstance(broker, PrivateCluster) else {LEADER})
        faults = plan(seed, size.faults, size.pause, without)
        seconds = seconds_of(faults)
        traffic = Traffic(lab, addresses, seed, rate=size.deliveries / max(seconds, 1.0))
        replays = Replays(lab, bus, traffic, seed)
        hits = Hits(members, broker, project_queue(lab.project), disks, say)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(traffic.send(size.deliveries))
            tasks.create_task(replays.send(size.replays, seconds / max(size.replays, 1)))
            tasks.create_task(hits.carry_out(faults))
        say(
            f"{len(traffic.taken.accepted)} accepted, {traffic.taken.repeated} of them sent twice,"
            f" {traffic.taken.refusals} refusals in between; waiting until all is quiet"
        )
        await replays.settle()
        store = root / "state/projects" / lab.project / "store.sqlite"
        expected = traffic.taken.accepted | replays.told | replays.mended
        letters, records = await _quiet(bus, store, expected, say)
        again = sum(member.starts - 1 - member.kills for member in members)
        return judge(
            accepted=traffic.taken.accepted,
            replayed=replays.told,
            mended=replays.mended,
            outcomes=outcomes_of(store),
            letters=letters,
            records=records,
            upstream={f"{name}.bst": _head(lab, name) for name in lab.repositories},
            committed=committed,
            did={
                **traffic.counts(),
                **hits.counts,
                **replays.counts,
                "waits of a coordinator for its full disk": _full_disks(root),
                "ended by themselves": again,
            },
            missing=missing,
        )


def _disks(
    lab: Lab, size: Size, stack: contextlib.AsyncExitStack, say: Say
) -> tuple[dict[str, SmallDisk], str | None]:
    """Mount the ingresses' disk and the coordinators', or return why there are none."""
    room = 32 * 1024**2 + size.deliveries * 10 * 1024
    folders = {"doors": lab.root / "doors", "store": lab.root / "state/projects"}
    try:
        return {name: stack.enter_context(SmallDisk(at, room)) for name, at in folders.items()}, None
    except MountRefused as refused:
        missing = f"NOT RUN: a full disk ({refused}): be root, or run under `unshare --map-root-user --mount`"
        say(missing)
        return {}, missing


@contextlib.asynccontextmanager
async def _bus(url: str) -> AsyncIterator[RabbitBus]:
    """The harness's own way to the broker."""
    bus = RabbitBus(url, confirm_timeout=10.0)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.close()


def _full_disks(root: Path) -> int:
    logs = [path.read_text(errors="replace") for path in root.glob("coordinator-*.log")]
    return sum(log.count("disk is full") for log in logs)


def _head(lab: Lab, name: str) -> str:
    """Return the commit that tracking takes: the newest tag's of beta, the branch's of the others. Every
    tag of beta is on its newest commit of the time."""
    repository = lab.repositories[name]
    commit = repository.commit_of("refs/heads/main")
    assert commit is not None
    return commit


def _members(lab: Lab, doors: list[str]) -> list[Member]:
    text = lab.config.read_text() + _SETTINGS

    def config(name: str, state: str, door: str) -> Path:
        changed = text.replace('state_dir = "state"', f'state_dir = "{state}"').replace(lab.ingress, door)
        path = lab.root / name
        path.write_text(changed)
        return path

    first = config(lab.config.name, "state", doors[0])
    return [
        Member("ingress-1", "ingress", config("door-1.toml", "doors/one", doors[0])),
        Member("ingress-2", "ingress", config("door-2.toml", "doors/two", doors[1])),
        Member("coordinator-1", "coordinator", first),
        Member("coordinator-2", "coordinator", first),  # stands by on the same disk
        Member("worker-1", "worker", first),
        Member("worker-2", "worker", config("other.toml", "other", doors[0])),
        Member("gateway-1", "gateway", first),
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


async def _quiet(
    bus: RabbitBus, store: Path, expected: AbstractSet[str], say: Say
) -> tuple[list[str], list[Record]]:
    """Wait until each of `expected` has an end and no work is open; return the ids of the dead
    letters and the log as it stands on the broker. What is still open after the wait is the verdict's."""
    records: list[Record] = []

    async def take(message: Message) -> None:
        records.append(load_record(message.body))

    await bus.follow(take)
    until = time.monotonic() + _QUIET_WITHIN
    letters: list[str] = []
    while time.monotonic() < until:
        outcomes = await asyncio.to_thread(outcomes_of, store)
        ended = {delivery for delivery, ends in outcomes.items() if None not in ends}
        work = await asyncio.to_thread(open_work, store)
        with contextlib.suppress(Temporary):  # a look is one too many for the broker: the last one counts
            letters = [letter.id for letter in await bus.dead_letters()]
        missing = expected - ended - set(letters)
        seen = len(records)
        await asyncio.sleep(1.0)
        if not missing and not work and seen == len(records):
            break
    else:
        say(f"not quiet after {_QUIET_WITHIN:.0f} s: {len(missing)} without an end; {work[:300]}")
    return letters, records


def _looked_at(store: Path) -> int:
    with sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True) as db:
        try:
            return int(db.execute("SELECT count(*) FROM observed_repositories").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
