"""Two coordinators of one project, on one disk and on two, over a real broker: one is killed, or frozen
until the broker gives up on it and then woken. Whatever happens, the log has no gap, says nothing twice,
and ends at what the upstreams hold.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hookfetch.client import Client
from hookfetch.client.values import RefUpdate
from hookfetch.demo.lab import Lab
from hookfetch.demo.processes import Line, Serve
from tests.end_to_end.conftest import WITHIN, Service
from tests.support.commands import QuickServe

pytestmark = [pytest.mark.engine, pytest.mark.broker]

# Seconds between heartbeats: the broker drops a frozen coordinator after two of them, and not of 15 s.
_HEARTBEAT = 1


@dataclass
class Pair:
    """A service with two coordinators, whose processes are on their own."""

    service: Service
    coordinators: list[Serve]

    async def active(self, epoch_after: int = 0) -> tuple[Serve, Line]:
        """Return the coordinator that began the first epoch after `epoch_after`, and its word on it."""
        waits = [
            asyncio.create_task(
                serve.line(
                    "a takeover",
                    lambda line: line["event"] == "coordinating" and int(str(line["epoch"])) > epoch_after,
                    WITHIN,
                )
            )
            for serve in self.coordinators
        ]
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        found = next(iter(done))
        return self.coordinators[waits.index(found)], found.result()

    def other(self, serve: Serve) -> Serve:
        [other] = [known for known in self.coordinators if known is not serve]
        return other

    async def push(self, name: str, content: str) -> str:
        """Push and post the delivery; return the new commit."""
        before, after = await self.service.push(name, content)
        await self.service.post(name, before, after)
        return after

    async def log(self, *commits: str) -> list[RefUpdate]:
        """Wait until an update to each of `commits` was announced; return the whole log, checked."""
        async with asyncio.timeout(WITHIN):
            updates: list[RefUpdate] = []
            while not all(any(commit in str(u.changes) for u in updates) for commit in commits):
                updates = await self.service.updates(len(updates) + 1)
        assert [update.cursor.rsplit(":", 1)[1] for update in updates] == [
            str(number) for number in range(1, len(updates) + 1)
        ]
        said = [(update.element, str(update.changes[0].ref)) for update in updates]
        assert len(set(said)) == len(said)
        return updates


@asynccontextmanager
async def pair(root: Path, amqp: str, *, own_disks: bool) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        lab = Lab(root, project=f"p{uuid.uuid4().hex[:8]}")
        stack.push_async_callback(asyncio.to_thread, lab.stop)
        await asyncio.to_thread(lab.start, f"{amqp}?heartbeat={_HEARTBEAT}")
        settings = "[sweep]\ninterval_least = 1e7\ninterval_most = 1e7\n[engine]\nprocesses = 1\n"
        lab.config.write_text(lab.config.read_text() + settings)
        rest = QuickServe(lab.config, root, ["ingress", "worker", "gateway"])
        coordinators: list[Serve] = []
        for name in ("one", "two"):
            (root / name).mkdir()
            config = root / f"{name}.toml"
            state = f"state-{name}" if own_disks else "state"
            config.write_text(lab.config.read_text().replace('"state"', f'"{state}"'))
            coordinators.append(QuickServe(config, root / name, ["coordinator"]))
        for serve in (rest, *coordinators):
            stack.push_async_callback(serve.stop)
            await serve.start()
        client = await stack.enter_async_context(Client(lab.grpc))
        made = Pair(Service(lab, rest, client), coordinators)
        first, _ = await made.active()
        for name in ("alpha", "beta", "gamma"):
            await looked_at(first, name)
        await made.service.door()
        await made.service.gateway()
        yield made


async def looked_at(serve: Serve, name: str) -> None:
    await serve.line(
        f"the first look at {name}",
        lambda line: line["event"] == "first look" and str(line["repository"]).endswith(f"/{name}"),
        WITHIN,
    )


async def handled(serve: Serve, after: int, event_type: str) -> None:
    """Wait for the coordinator's word that it has handled more than `after` events of this type."""
    seen: set[str] = set()

    def more(line: Line) -> bool:
        if line["event"] == "handled" and line["event_type"] == event_type:
            seen.add(str(line["delivery_id"]))
        return len(seen) > after

    await serve.line(f"{event_type} handled", more, WITHIN)


async def phases(serve: Serve) -> str:
    """Return when each phase of a coordinator's takeover ended, by its own clock."""
    names = ("took over", "project loaded", "coordinating")
    times = {
        str(line["event"]): str(line["timestamp"])[14:23] for line in serve.lines if line["event"] in names
    }
    return ", ".join(f"{name} at {times[name]}" for name in names)


def active_name(service: Pair, active: Serve) -> str:
    return ("one", "two")[service.coordinators.index(active)]


async def freeze(pid: int, store: Path) -> None:
    """Stop a process outside any transaction of its store: nobody could go on with a locked file."""
    with contextlib.closing(sqlite3.connect(store, isolation_level=None, timeout=0)) as connection:
        async with asyncio.timeout(WITHIN):
            while True:
                os.kill(pid, signal.SIGSTOP)
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    os.kill(pid, signal.SIGCONT)
                    await asyncio.sleep(0.001)
                else:
                    connection.execute("ROLLBACK")
                    return


async def test_the_standby_goes_on_without_the_disk_of_the_one_that_was_killed(
    tmp_path: Path, amqp_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with pair(tmp_path, amqp_url, own_disks=True) as service:
        first = await service.push("alpha", "before")
        await service.log(first)
        active, word = await service.active()
        assert not [line for line in service.other(active).lines if line["event"] == "project loaded"]
        # Accepted, handled and acknowledged: it stands in the killed one's store alone.
        second = await service.push("gamma", "while it dies")
        await handled(active, 1, "branch_pushed")
        await active.kill()
        killed_at = time.monotonic()
        third = await service.push("alpha", "after it died")
        await service.log(first, second, third)
        took = time.monotonic() - killed_at
        standby, _ = await service.active(int(str(word["epoch"])))
        assert standby is not active
        with capsys.disabled():
            print(f" {took:.1f} s from kill -9 to the announcement; {await phases(standby)}", end="")  # noqa: T201


@pytest.mark.parametrize("own_disks", [False, True], ids=["one disk", "two disks"])
async def test_a_frozen_coordinator_wakes_up_as_a_standby(
    tmp_path: Path, amqp_url: str, own_disks: bool
) -> None:
    async with pair(tmp_path, amqp_url, own_disks=own_disks) as service:
        first = await service.push("alpha", "before")
        await service.log(first)
        active, word = await service.active()
        second = await service.push("gamma", "while it freezes")
        await handled(active, 1, "branch_pushed")
        [pid] = active.pids
        state = f"state-{active_name(service, active)}" if own_disks else "state"
        await freeze(pid, tmp_path / state / "projects" / service.service.lab.project / "store.sqlite")
        try:
            third = await service.push("alpha", "while it is frozen")
            standby, word = await service.active(int(str(word["epoch"])))
            assert standby is not active
            await service.log(first, second, third)
        finally:
            os.kill(pid, signal.SIGCONT)
        await active.line("standing by", lambda line: line["event"] == "standing by", WITHIN)
        fourth = await service.push("gamma", "after it woke up")
        await service.log(first, second, third, fourth)
        # It can take over again, and goes on from what the other one announced.
        await standby.kill()
        again, _ = await service.active(int(str(word["epoch"])))
        assert again is active
        fifth = await service.push("alpha", "once more")
        await service.log(first, second, third, fourth, fifth)
