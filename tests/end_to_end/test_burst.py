"""A thousand pushes to one repository, with a real broker, upstream and BuildStream, cost few jobs."""

import asyncio
import contextlib
import sqlite3
import subprocess
import uuid
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hookfetch.demo.deliveries import github_push
from hookfetch.demo.lab import HOOK
from hookfetch.demo.repositories import Repository
from tests.end_to_end.conftest import WITHIN, Service, Start

pytestmark = [pytest.mark.engine, pytest.mark.broker]

PUSHES = 1000
TOGETHER = 20  # deliveries on their way at once
# A job of an element begins when the one before has ended, and takes the best part of a tenth of a
# second; the pushes come within a few. It would be `PUSHES` if each had one.
MOST_JOBS = PUSHES // 10


async def test_a_thousand_pushes_cost_few_jobs_and_end_at_the_newest_commit(
    start: Start, amqp_url: str
) -> None:
    service = await start(amqp_url)
    await service.ready()
    # Warm: else the first job takes as long as the burst.
    await service.client.fetch(service.lab.project, "alpha.bst", timeout=WITHIN)
    repository = service.lab.repositories["alpha"]
    first = repository.commit_of("refs/heads/main")
    assert first is not None
    commits = [first, *await asyncio.to_thread(history, repository, PUSHES)]
    deliveries = await burst(service, repository, commits)
    assert len(set(deliveries)) == PUSHES

    async with asyncio.timeout(WITHIN):
        while len(ends := await asyncio.to_thread(outcomes, service)) < PUSHES or None in ends.values():
            await asyncio.sleep(0.1)
    # One each: an event's row is its id's, and each delivery has one event.
    assert ends.keys() == {f"{delivery}#0" for delivery in deliveries}
    assert set(ends.values()) <= {"done", "coalesced", "nothing to do"}
    jobs = await asyncio.to_thread(times, service)
    assert 1 <= len(jobs) <= MOST_JOBS
    assert all(ended <= started for (_, ended), (started, _) in pairwise(jobs))
    [(announced,)] = await asyncio.to_thread(rows, service, "SELECT count(*) FROM log")
    updates = await service.updates(announced)
    assert updates[-1].changes[0].ref == commits[-1]
    assert all(update.cached for update in updates)


def history(repository: Repository, count: int) -> list[str]:
    """Write `count` commits on top of main's in one go, under a name that nobody follows; return them."""
    commit = (
        "commit refs/pushes/burst\ncommitter Lab <lab@example.org> {at} +0000\ndata 0\n{parent}"
        "M 100644 inline README\ndata 5\n{number:05}\n"
    )
    stream = "".join(
        commit.format(at=1700000000 + n, number=n, parent="" if n else "from refs/heads/main^0\n")
        for n in range(count)
    )
    git(repository, "fast-import", "--quiet", text=stream)
    return git(repository, "rev-list", "--reverse", "refs/heads/main..refs/pushes/burst").split()


def git(repository: Repository, *arguments: str, text: str = "") -> str:
    command = ["git", "-C", str(repository.path), *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


async def burst(service: Service, repository: Repository, commits: list[str]) -> list[str]:
    """Push each commit after the one before it and post its delivery; return the deliveries' ids. The
    upstream is never behind a delivery, and at most `TOGETHER` pushes ahead."""
    url = repository.url(service.lab.upstreams.url)
    place = f"http://{service.lab.ingress}/hooks/{HOOK}"

    async def post(session: aiohttp.ClientSession, before: str, after: str) -> str:
        headers, body = github_push(
            url, "refs/heads/main", before, after, service.lab.secret, str(uuid.uuid4())
        )
        async with session.post(place, data=body, headers=headers) as response:
            assert response.status == 202, await response.text()
            return str((await response.json())["delivery"])

    delivered: list[str] = []
    pushes = list(pairwise(commits))
    async with aiohttp.ClientSession() as session:
        for at in range(0, len(pushes), TOGETHER):
            together = pushes[at : at + TOGETHER]
            await asyncio.to_thread(repository.point, "refs/heads/main", together[-1][1])
            delivered += await asyncio.gather(*(post(session, *push) for push in together))
    return delivered


def outcomes(service: Service) -> dict[str, str | None]:
    """Return how each event of a delivery ended, None while it has not."""
    return dict(rows(service, f"SELECT id, outcome FROM events WHERE delivery_id LIKE '{HOOK}/%'"))  # noqa: S608 (a constant)


def times(service: Service) -> list[tuple[float, float]]:
    """Return when each job started and ended, in order."""
    return rows(service, "SELECT started_at, ended_at FROM ended_jobs ORDER BY started_at")


def rows(service: Service, query: str) -> list[tuple[Any, ...]]:
    store: Path = service.lab.root / "state/projects" / service.lab.project / "store.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()
