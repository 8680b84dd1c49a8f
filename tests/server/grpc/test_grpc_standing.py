"""How a delivery stands is never told before it is known, whichever side is asked first."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.client import NotFound
from hookfetch.client.telling import story_lines
from hookfetch.core.kept import ToldFact
from hookfetch.server.grpc.stories import ON_ITS_WAY
from tests.bus.recorder import unique
from tests.coordinator.service import NEW, FakeEngine, until_rows
from tests.server.grpc.test_grpc_operations import Operated, operated, record

T = TypeVar("T")


async def stands(lab: Operated, delivery: str) -> tuple[str, str | None]:
    """Return how a delivery stands, by its story and by the list, which must agree."""
    story = await lab.operations.story(delivery)
    [listed] = [each for each in (await lab.operations.deliveries()).deliveries if each.id == delivery]
    assert (listed.outcome, listed.reason) == (story.outcome, story.reason)
    return story.outcome, story.reason


async def test_a_fact_that_a_project_is_still_to_handle_is_on_its_way(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW)) as lab:
        lab.kept.records.append(record("h/1", time.time()))
        assert await stands(lab, "h/1") == (
            "waiting",
            "not handled yet by p, unless it is a dead letter there",
        )
        await lab.service.push("a", "h/1")
        await until_rows(lambda: lab.service.rows("SELECT * FROM jobs"), [])
        assert (await stands(lab, "h/1"))[0] == "done"


async def test_a_fact_that_nobody_follows_is_nothing_to_do_at_once(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine()) as lab:
        told = record("h/1", time.time())
        elsewhere = ToldFact(id="h/1#0", type="branch_pushed", repositories=("example.org/other",))
        lab.kept.records.append(replace(told, facts=(elsewhere,)))
        assert await stands(lab, "h/1") == ("nothing to do", "no project follows it")


async def test_one_of_two_facts_that_was_handled_is_not_all_of_it(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW)) as lab:
        told = record("h/1", time.time())
        second = replace(told.facts[0], id="h/1#1", repositories=("example.org/b",))
        lab.kept.records.append(replace(told, facts=(*told.facts, second), fact_count=2))
        await lab.service.push("a", "h/1")
        await until_rows(lambda: lab.service.rows("SELECT * FROM jobs"), [])
        assert await stands(lab, "h/1") == (
            "waiting",
            "not handled yet by p, unless it is a dead letter there",
        )


async def test_what_was_told_before_anybody_followed_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine()) as lab:
        lab.kept.records.append(record("h/1", time.time() - ON_ITS_WAY - 1))
        outcome, reason = await stands(lab, "h/1")
        assert (outcome, "hookfetch dead list" in str(reason)) == ("nothing to do", True)


async def test_a_project_that_does_not_answer_may_have_it_still(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW), ("p", "q")) as lab:
        told = record("h/1", time.time())
        elsewhere = ToldFact(id="h/1#0", type="branch_pushed", repositories=("example.org/other",))
        lab.kept.records.append(replace(told, facts=(elsewhere,)))
        story = await lab.operations.story("h/1")
        assert (story.outcome, story.reason) == ("waiting", "no answer from q, which may have it still")


async def test_each_reception_of_a_delivery_is_told_with_its_time_and_its_ingress(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW)) as lab:
        lab.kept.records.append(record("h/1", 1.0))
        lab.other.records.append(record("h/1", 61.0))
        lab.kept.records.append(replace(record("h/1", 3601.0), redelivery=True))
        story = await lab.operations.story("h/1")
        assert [(each.ingress, each.received_at, each.redelivery) for each in story.deliveries] == [
            ("one", 1.0, False),
            ("two", 61.0, True),
            ("one", 3601.0, True),
        ]
        lines = "\n".join(story_lines(story))
        assert "+0  accepted  h/1" in lines
        assert "+60000  again     h/1  100 bytes by hook h at two, sent again by the forge" in lines


async def test_a_delivery_whose_ingress_lost_its_disk_is_not_replayed_and_the_error_says_so(
    tmp_path: Path,
) -> None:
    async with operated(tmp_path, FakeEngine(a=NEW)) as lab:
        await lab.service.push("a", "h/1")
        with pytest.raises(NotFound, match="without its former disk: have the forge send it again"):
            await lab.operations.replay("h/1")


@pytest.mark.broker
async def test_on_a_broker_a_published_fact_is_on_its_way_until_its_coordinator_is_through(
    tmp_path: Path, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = unique("p")
    bus = RabbitBus(amqp_url, confirm_timeout=10.0)
    await bus.start()
    async with operated(tmp_path, FakeEngine(a=NEW), (project,), bus=bus, project=project) as lab:
        free = asyncio.Event()
        decide = lab.service.database.run

        async def held_up(work: Callable[[sqlite3.Connection], T]) -> T:
            if "_decide_and_store" in str(work):
                await free.wait()
            return await decide(work)

        # A coordinator that is busy just now.
        monkeypatch.setattr(lab.service.database, "run", held_up)
        # As a relay does: the broker's confirm, and then the note.
        await lab.service.push("a", "h/1")
        lab.kept.records.append(record("h/1", time.time()))
        outcome, reason = await stands(lab, "h/1")
        assert (outcome, f"not handled yet by {project}" in str(reason)) == ("waiting", True)
        free.set()
        async with asyncio.timeout(20):
            while (await stands(lab, "h/1"))[0] in ("waiting", "open"):
                await asyncio.sleep(0.02)
        assert (await stands(lab, "h/1"))[0] == "done"
