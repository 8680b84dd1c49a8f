"""Takeovers with real stores over a real bus: whatever disk the next coordinator has, it goes on from
what everyone heard. Each `Machine` is a coordinator's store and its place on the bus, and nothing else.
"""

import asyncio
import contextlib
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.coordinator.recovery import recover
from hookfetch.core.codec import dump_record, load_record
from hookfetch.core.commands import Announce
from hookfetch.core.entries import AlarmRaised, EpochBegan, LogEntry
from hookfetch.core.errors import Replaced, Temporary
from hookfetch.core.fencing import Fence
from hookfetch.core.jobs import Change
from hookfetch.core.ports import Bus, Message, Subscription
from hookfetch.core.rewrites import Rewrite
from hookfetch.store import log, refs, takeover
from hookfetch.store.database import Database
from hookfetch.store.schema import copy

WITHIN = 30.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not condition():
            await asyncio.sleep(0.005)


class Machine:
    """A store below `root`, and an active consumer of the project between `activate` and `leave`."""

    def __init__(self, root: Path, bus: Bus, project: str) -> None:
        self.project = project
        self.bus = bus
        self.database = Database(root / "store.sqlite")
        self.log_id, self.epoch = "", 0
        self._subscription: Subscription | None = None

    async def activate(self) -> None:
        await self.database.open()
        active = asyncio.Event()

        async def on_active() -> None:
            self.log_id, self.epoch = await recover(self.project, self.database, self.bus, time.time)
            active.set()

        async def handler(message: Message) -> None: ...

        self._subscription = await self.bus.coordinate(self.project, handler, on_active)
        async with asyncio.timeout(WITHIN):
            await active.wait()

    async def leave(self) -> None:
        """Be the active one no more; the store stays."""
        assert self._subscription is not None
        await self._subscription.cancel()

    async def announce(self, element: str, ref: str, cause: str = "d", *, publish: bool = True) -> None:
        change = Change(index=0, kind="git_repo", url=None, base="0", previous="0", ref=ref)
        command = Announce(
            element=element, changes=(change,), cached=True, element_key="k", source_keys=(), job_id="j"
        )

        def store(db: sqlite3.Connection) -> None:
            entry = log.append(db, self.log_id, self.project, command, (cause,), 1.0)
            refs.propose(db, element, command.changes, entry.number)

        await self.database.run(store)
        if publish:
            await self.publish()

    async def alarm(self, element: str) -> None:
        rewrite = Rewrite(
            element=element,
            repository="example.org/a",
            ref="refs/heads/main",
            kind="branch_rewound",
            before="1",
            after="2",
            target=None,
            held=True,
        )
        await self.database.run(lambda db: log.append_alarm(db, self.log_id, self.project, rewrite, (), 1.0))

    async def publish(self) -> None:
        """Do as the outbox does."""
        for number, entry in await self.database.run(lambda db: log.unpublished(db, 1000)):
            stamped = replace(load_record(entry), epoch=self.epoch)
            await self.bus.publish_entry(Message(id=f"{self.project}/{number}", body=dump_record(stamped)))
            await self.database.run(partial(log.published, last=number))

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        return await self.database.run(lambda db: db.execute(query).fetchall())

    async def log(self) -> list[tuple[int, str, str]]:
        """Return number, element and ref (or `alarm`) of each entry in the store."""
        found = []
        for (body,) in await self.rows("SELECT entry FROM log ORDER BY number"):
            assert isinstance(body, bytes)
            entry = load_record(body)
            assert not isinstance(entry, EpochBegan)
            what = "alarm" if isinstance(entry, AlarmRaised) else str(entry.changes[0].ref)
            found.append((entry.number, entry.element, what))
        return found

    async def proposed(self, element: str) -> dict[int, object]:
        return dict(await self.database.run(lambda db: refs.proposed(db, element)))

    async def unsure(self) -> set[tuple[object, ...]]:
        """Return the elements to look at again and whether an announcement of theirs was lost."""
        return set(await self.rows("SELECT element, lost FROM unsure"))


class Reader:
    """What a gateway makes of the log."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._fence = Fence()
        self.entries: list[LogEntry] = []

    async def __call__(self, message: Message) -> None:
        if message.id.startswith(f"{self._project}/"):
            entry = self._fence.admit(load_record(message.body))
            if entry is not None:
                self.entries.append(entry)

    def check(self) -> None:
        """Assert that no number has two meanings, none is left out, and nothing was said twice."""
        by_number: dict[int, LogEntry] = {}
        for entry in (replace(entry, epoch=0) for entry in self.entries):
            assert by_number.setdefault(entry.number, entry) == entry
        assert sorted(by_number) == list(range(1, len(by_number) + 1))


class Cluster:
    """Machines that share a bus, each by a connection of its own where there is one."""

    def __init__(self, root: Path, connect: Callable[[], Awaitable[Bus]]) -> None:
        self.project = f"p{uuid.uuid4().hex[:8]}"
        self._root = root
        self._connect = connect
        self.machines: list[Machine] = []
        self.reader = Reader(self.project)

    async def machine(self, disk: str) -> Machine:
        machine = Machine(self._root / disk, await self._connect(), self.project)
        self.machines.append(machine)
        return machine

    async def read(self, count: int) -> None:
        """Read the whole log anew until `count` entries counted, and check them."""
        self.reader = Reader(self.project)
        subscription = await (await self._connect()).follow(self.reader)
        try:
            await until(lambda: len({entry.number for entry in self.reader.entries}) >= count)
        finally:
            await subscription.cancel()
        self.reader.check()


@pytest.fixture(autouse=True)
def _quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookfetch.bus.rabbitmq.project._PROBE_EVERY", 0.1)  # seconds, not 3


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.broker)])
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    buses: list[Bus] = []
    url = request.getfixturevalue("amqp_url") if request.param == "rabbitmq" else None

    async def connect() -> Bus:
        if url is None and buses:
            return buses[0]
        bus: Bus = MemoryBus(tmp_path / "dead") if url is None else RabbitBus(url, confirm_timeout=10.0)
        await bus.start()
        buses.append(bus)
        return bus

    made = Cluster(tmp_path, connect)
    yield made
    for bus in buses:
        await bus.close()
    for machine in made.machines:
        await machine.database.close()


async def test_the_same_disk_goes_on_counting_and_publishes_what_was_not(cluster: Cluster) -> None:
    one, two = await cluster.machine("disk"), await cluster.machine("disk")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.announce("b.bst", "1", publish=False)
    await one.leave()
    await two.activate()
    assert (two.log_id, two.epoch > one.epoch) == (one.log_id, True)
    await two.publish()
    await two.announce("a.bst", "2")
    await cluster.read(3)
    assert [entry.number for entry in cluster.reader.entries] == [1, 2, 3]
    with pytest.raises(Replaced, match="another coordinator is active"):
        await one.announce("a.bst", "3")
    assert await two.unsure() == set()


async def test_without_a_disk_log_numbers_and_proposals_come_from_the_log(cluster: Cluster) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    for element, ref in (("a.bst", "1"), ("b.bst", "1"), ("a.bst", "2"), ("b.bst", "0")):
        await one.announce(element, ref)
    await one.leave()
    await two.activate()
    assert two.log_id == one.log_id
    assert await two.log() == await one.log()
    assert (await two.proposed("a.bst"), await two.proposed("b.bst")) == ({0: "2"}, {})
    assert await two.unsure() == {("a.bst", 0), ("b.bst", 0)}
    # Only what still differs from the branch is looked at, once the project is loaded.
    assert await two.database.run(lambda db: takeover.look_again(db, 1.0)) == 1
    assert await two.rows("SELECT element, track FROM jobs") == [("a.bst", 1)]
    await two.announce("a.bst", "3")
    await cluster.read(5)


async def test_who_wakes_up_replaced_publishes_into_the_void_and_comes_round(cluster: Cluster) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.leave()  # as the broker sees it: one itself does not know
    await two.activate()
    await one.announce("b.bst", "void", "delivery")
    await one.announce("c.bst", "never published", publish=False)
    await one.alarm("d.bst")
    await two.announce("a.bst", "2")
    await two.leave()
    await one.activate()
    assert await one.log() == [(1, "a.bst", "1"), (2, "a.bst", "2"), (3, "d.bst", "alarm")]
    assert await one.proposed("a.bst") == {0: "2"}
    assert (await one.proposed("b.bst"), await one.proposed("c.bst")) == ({}, {})
    assert await one.unsure() == {("a.bst", 0), ("b.bst", 1), ("c.bst", 1)}
    await one.database.run(lambda db: takeover.look_again(db, 1.0))
    assert ("delivery",) in await one.rows("SELECT cause FROM job_causes")
    await one.publish()
    await one.announce("b.bst", "1")
    await cluster.read(4)
    assert "void" not in {e.changes[0].ref for e in cluster.reader.entries if e.type == "ref_updated"}


async def test_what_nobody_contradicts_is_published_though_another_store_was_active(
    cluster: Cluster,
) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.leave()
    await two.activate()
    await two.leave()
    await one.activate()
    assert await one.log() == [(1, "a.bst", "1")]
    assert await one.unsure() == set()
    await one.announce("a.bst", "2")
    await cluster.read(2)


async def test_a_store_that_was_set_back_learns_what_it_forgot(cluster: Cluster, tmp_path: Path) -> None:
    one = await cluster.machine("one")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.database.run(takeover.restored)  # as the restored copy will say
    (tmp_path / "old").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "one/store.sqlite")) as source:
        copy(source, tmp_path / "old/store.sqlite")
    await one.announce("a.bst", "2")
    await one.announce("b.bst", "1")
    await one.leave()
    old = await cluster.machine("old")
    await old.activate()
    assert old.log_id == one.log_id
    assert await old.log() == await one.log()
    assert await old.proposed("a.bst") == {0: "2"}
    await old.announce("c.bst", "1")
    await cluster.read(4)
    assert await old.rows("SELECT 1 FROM meta WHERE key = 'restored'") == []


async def test_a_takeover_that_breaks_off_is_done_by_the_next(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await cluster.machine("one"), await cluster.machine("two")
    await one.activate()
    for number in range(20):
        await one.announce(f"{number}.bst", "1")
    await one.leave()
    monkeypatch.setattr("hookfetch.coordinator.recovery._BATCH", 3)
    adopt, count = takeover.adopt, 0

    def fail_once(*args: object, **kwargs: object) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise Temporary("the disk is full")
        adopt(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(takeover, "adopt", fail_once)
    await two.activate()
    assert count > 7
    assert await two.log() == await one.log()
    await two.announce("a.bst", "2")
    await cluster.read(21)


async def test_a_new_broker_gets_the_log_again(tmp_path: Path) -> None:
    buses = [MemoryBus(tmp_path / "dead"), MemoryBus(tmp_path / "dead")]
    one = Machine(tmp_path / "disk", buses[0], "p")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.announce("a.bst", "2")
    await one.leave()
    again = Machine(tmp_path / "disk", buses[1], "p")
    await again.activate()
    await again.publish()
    reader = Reader("p")
    subscription = await buses[1].follow(reader)
    await until(lambda: len(reader.entries) == 2)
    reader.check()
    assert again.log_id == one.log_id
    await subscription.cancel()
    for bus in buses:
        await bus.close()
    for machine in (one, again):
        await machine.database.close()


async def test_a_restored_store_whose_log_is_gone_begins_a_new_log(tmp_path: Path) -> None:
    buses = [MemoryBus(tmp_path / "dead"), MemoryBus(tmp_path / "dead")]
    one = Machine(tmp_path / "disk", buses[0], "p")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.leave()
    again = Machine(tmp_path / "disk", buses[1], "p")
    await again.database.open()
    await again.database.run(takeover.restored)
    await again.activate()
    assert again.log_id != one.log_id
    [(_, body)] = await again.database.run(lambda db: log.unpublished(db, 10))
    entry = load_record(body)
    assert not isinstance(entry, EpochBegan)
    assert (entry.log_id, entry.number) == (again.log_id, 1)
    for bus in buses:
        await bus.close()
    for machine in (one, again):
        await machine.database.close()
