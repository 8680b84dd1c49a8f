"""Coordinators' stores on one bus: each `Machine` is a store and its place on the bus, and nothing else."""

import asyncio
import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from hookfetch.coordinator.recovery import recover
from hookfetch.core.codec import dump_record, load_record
from hookfetch.core.commands import Announce
from hookfetch.core.entries import AlarmRaised, EpochBegan, LogEntry
from hookfetch.core.fencing import Fence
from hookfetch.core.jobs import Change
from hookfetch.core.ports import Bus, Message, Subscription
from hookfetch.core.rewrites import Rewrite
from hookfetch.store import log, refs
from hookfetch.store.database import Database

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
