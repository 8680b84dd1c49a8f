"""Deliveries of forges that send no id, from the door to the log: a repeat costs nothing, and there and back
and there again are three events."""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hookfetch.coordinator.housekeeping import KEPT_ENTRIES, KEPT_EVENTS_SECONDS
from hookfetch.core.ports import HookOptions
from hookfetch.forges import configured_forge, load_forges
from hookfetch.server.door.request import Head
from hookfetch.server.ingress import Hook, Ingress
from hookfetch.server.relay import Relay
from hookfetch.spool.spool import SegmentSpool
from hookfetch.store import log
from tests.coordinator.service import NEW, OLD, FakeEngine, Service, until, until_rows, url

OUTCOMES = "SELECT outcome FROM events WHERE type = 'branch_pushed' ORDER BY handled_at"


class Door:
    """An ingress with a disk of its own; `post` is one delivery, answered 202."""

    def __init__(self, ingress: Ingress) -> None:
        self._ingress = ingress

    async def post(self, headers: dict[str, str], body: bytes) -> None:
        head = Head(
            method="POST",
            path="/hooks/hook",
            headers=headers,
            repeated=None,
            length=len(body),
            keeps_alive=True,
            expects_continue=False,
        )
        answer = await self._ingress.route(head, ipaddress.ip_address("127.0.0.1"))(head, body)
        assert answer.status == 202


@asynccontextmanager
async def door(disk: Path, forge: str, service: Service) -> AsyncIterator[Door]:
    options = HookOptions(base_url="https://example.org") if forge == "gerrit" else HookOptions()
    configured = configured_forge(load_forges()[forge], options)
    async with SegmentSpool(disk, 64 * 1024 * 1024) as spool:
        relay = Relay(spool, {"hook": configured}, service.bus)
        await relay.start()
        clock = asyncio.get_running_loop().time
        hook = Hook(name="hook", forge=configured, secrets=("secret",))
        yield Door(Ingress({"hook": hook}, spool, clock, 100_000))
        await relay.stop()


def gerrit(before: str, after: str, second: int) -> tuple[dict[str, str], bytes]:
    update = {"oldRev": before, "newRev": after, "refName": "refs/heads/main", "project": "a"}
    body = json.dumps({"type": "ref-updated", "refUpdate": update, "eventCreatedOn": second})
    basic = base64.b64encode(b"gerrit:secret").decode()
    return {"authorization": f"Basic {basic}"}, body.encode()


def harness(before: str, after: str) -> tuple[dict[str, str], bytes]:
    payload = {
        "trigger": "branch_updated",
        "repo": {"git_url": url("a")},
        "ref": {"name": "refs/heads/main"},
        "sha": after,
        "old_sha": before,
        "forced": False,
    }
    body = json.dumps(payload).encode()
    return {"x-harness-signature": hmac.digest(b"secret", body, hashlib.sha256).hex()}, body


async def test_the_same_bytes_of_gerrit_at_two_doors_are_one_event(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with (
        Service(tmp_path, engine) as service,
        door(tmp_path / "one", "gerrit", service) as one,
        door(tmp_path / "two", "gerrit", service) as two,
    ):
        for at in (one, two, one):
            await at.post(*gerrit(OLD, NEW, 1))
        await until(lambda: len(service.entries) == 1)
        engine.upstream["a.bst"] = OLD  # were a repeat an event, its job would announce this
        await two.post(*gerrit(OLD, NEW, 1))
        await two.post(*gerrit(OLD, NEW, 2))  # behind it
        await until_rows(lambda: service.rows(OUTCOMES), [("done",), ("nothing to do",)])
        assert len(engine.ran) == 1


async def test_there_and_back_and_there_again_are_three_though_the_bytes_are_the_same(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service, door(tmp_path / "one", "harness", service) as one:
        for number, (before, after) in enumerate(((OLD, NEW), (NEW, OLD), (OLD, NEW)), 1):
            engine.upstream["a.bst"] = after
            await one.post(*harness(before, after))
            await until(lambda number=number: len(service.entries) == number)  # type: ignore[misc] # mypy: lambda default
        assert [entry.changes[0].ref for entry in service.entries] == [NEW, OLD, NEW]


async def test_a_repeat_that_nothing_tells_from_a_push_costs_no_job(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    async with Service(tmp_path, engine) as service, door(tmp_path / "one", "harness", service) as one:
        await one.post(*harness(OLD, NEW))
        await until(lambda: len(service.entries) == 1)
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        for _ in range(3):
            await one.post(*harness(OLD, NEW))
        await until_rows(lambda: service.rows(OUTCOMES), [("done",), *[("nothing to do",)] * 3])
        assert (len(engine.ran), len(service.entries)) == (1, 1)


async def test_an_id_is_known_for_longer_than_any_forge_redelivers(tmp_path: Path) -> None:
    async with Service(tmp_path, FakeEngine(a=NEW)) as service:
        await service.push("a", "d1")
        await until_rows(lambda: service.rows("SELECT * FROM jobs"), [])
        [(handled,)] = await service.rows("SELECT handled_at FROM events WHERE delivery_id = 'd1'")

        async def is_known_after(days: float) -> bool:
            forgotten = handled + days * 86400.0 - KEPT_EVENTS_SECONDS
            await service.database.run(lambda db: log.compact(db, KEPT_ENTRIES, forgotten))
            return await service.rows("SELECT 1 FROM events WHERE delivery_id = 'd1'") == [(1,)]

        assert await is_known_after(29.9)
        assert not await is_known_after(30.1)
