"""Many clients ask for one element at once: it is worked on once, and each of them gets the answer."""

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hookfetch.client import Client
from hookfetch.client.work import Fetched, Tracked
from hookfetch.demo.lab import Lab
from hookfetch.demo.repositories import create_repository
from hookfetch.processes import marked
from tests.end_to_end.conftest import WITHIN, Service, Start

pytestmark = pytest.mark.engine

CLIENTS = 50
BEFORE = ("before-1", "before-2", "before-3", "before-4")
ELEMENT = "kind: import\nsources:\n- kind: git\n  url: upstream:{name}.git\n  track: main\n  ref: {commit}\n"
BEGUN = "SELECT count(*) FROM events WHERE type = 'job_begun' AND outcome = 'done'"


async def test_fifty_clients_that_ask_together_cost_one_run_and_who_leaves_none(start: Start) -> None:
    def prepare(lab: Lab) -> None:
        for name in BEFORE:
            commit = create_repository(lab.root / "upstreams", name).commit({"README": name}, "First")
            (lab.root / f"project/elements/{name}.bst").write_text(ELEMENT.format(name=name, commit=commit))

    service = await start(None, "[engine]\nprocesses = 1\n", before=prepare)
    await service.ready()
    project = service.lab.project
    await service.client.fetch(project, "alpha.bst", timeout=WITHIN)
    before, after = await service.push("alpha", "together")
    async with clients(service) as asking:
        with frozen(service):
            # As many as begin, since their upstreams are looked at meanwhile: what comes now waits.
            busy = [
                asyncio.create_task(service.client.track(project, f"{name}.bst", timeout=WITHIN))
                for name in ("gamma", *BEFORE)
            ]
            await until(service, "SELECT count(*) FROM jobs WHERE begun = 1", len(busy))
            leaving = asyncio.create_task(service.client.track(project, "beta.bst", timeout=WITHIN))
            delivery = await service.post("alpha", before, after)
            together = [
                asyncio.create_task(
                    client.fetch(project, "alpha.bst", timeout=WITHIN)
                    if number % 2
                    else client.track(project, "alpha.bst", timeout=WITHIN)
                )
                for number, client in enumerate(asking)
            ]
            await until(service, "SELECT count(*) FROM job_clients", CLIENTS + 1 + len(busy))
            leaving.cancel()
            await until(service, "SELECT count(*) FROM jobs WHERE element = 'beta.bst'", 0)
        await asyncio.gather(*busy)
        answers: list[Tracked | Fetched] = list(await asyncio.gather(*together))
    assert {answer.refs[0].ref for answer in answers} == {after}
    [update] = await service.updates(1)
    assert (update.changes[0].ref, len(update.causes)) == (after, CLIENTS + 1)
    assert delivery in update.causes
    await until(service, "SELECT count(*) FROM jobs", 0)
    ended = "SELECT element, outcome, count(*) FROM ended_jobs GROUP BY 1, 2 ORDER BY 1"
    assert rows(service, ended) == [
        ("alpha.bst", "done", 2),  # the first fetch, and one for all
        *((f"{name}.bst", "done", 1) for name in BEFORE),
        ("beta.bst", "nothing to do", 1),
        ("gamma.bst", "done", 1),
    ]
    assert rows(service, BEGUN) == [(3 + len(BEFORE),)]


async def test_fifty_clients_that_come_as_they_come_all_see_what_was_pushed_before(start: Start) -> None:
    service = await start(None)
    await service.ready()
    project = service.lab.project
    await service.client.fetch(project, "alpha.bst", timeout=WITHIN)
    async with clients(service) as asking:
        for number in range(3):
            _, after = await service.push("alpha", f"now {number}")
            answers = await asyncio.gather(
                *(client.track(project, "alpha.bst", timeout=WITHIN) for client in asking)
            )
            assert {answer.refs[0].ref for answer in answers} == {after}
    [(begun,)] = rows(service, BEGUN)
    # Who comes after a look at the upstream began is not answered by it; mostly all 50 come before.
    assert 1 + 3 <= begun <= 1 + 3 * CLIENTS / 5


@asynccontextmanager
async def clients(service: Service) -> AsyncIterator[list[Client]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Client(service.lab.grpc)) for _ in range(CLIENTS)]


@contextlib.contextmanager
def frozen(service: Service) -> Iterator[None]:
    """Stop the worker process, so that what it was asked takes as long as the test wants."""
    [token] = [path.read_text() for path in (service.lab.root / "state/engine").glob("*/*/token")]
    [worker] = [pid for pid in marked(token) if _runs(pid, b"hookfetch.engine")]
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def _runs(pid: int, what: bytes) -> bool:
    return what in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


async def until(service: Service, query: str, count: int) -> None:
    async with asyncio.timeout(WITHIN):
        while await asyncio.to_thread(rows, service, query) != [(count,)]:
            await asyncio.sleep(0.02)


def rows(service: Service, query: str) -> list[tuple[Any, ...]]:
    store: Path = service.lab.root / "state/projects" / service.lab.project / "store.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()
