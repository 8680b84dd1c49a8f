"""A coordinator is lost with its disk, and the broker's log or a pause with it: what nobody can know any
more is refused, and what an operator ordered still holds."""

import asyncio
import shutil
from pathlib import Path

import pytest

from hookfetch.bus.rabbitmq.topology import LOG
from hookfetch.client import Compacted
from tests.bus.rabbits import delete_queue
from tests.end_to_end.conftest import WITHIN
from tests.end_to_end.test_failover import active_name, handled, pair

pytestmark = [pytest.mark.engine, pytest.mark.broker]


async def test_a_cursor_from_before_the_store_and_the_log_were_lost_is_refused(
    tmp_path: Path, amqp_url: str
) -> None:
    async with pair(tmp_path, amqp_url, own_disks=True) as service:
        first = await service.push("alpha", "before")
        [before] = await service.log(first)
        active, word = await service.active()
        client, projects = service.service.client, [service.service.lab.project]
        watch = client.watch(projects=projects, cursor=before.cursor, patience=WITHIN)
        waiting = asyncio.ensure_future(anext(watch))
        await delete_queue(amqp_url, LOG)
        await active.kill()
        shutil.rmtree(tmp_path / f"state-{active_name(service, active)}" / "projects")
        await service.active(int(str(word["epoch"])))
        # The new store announces alpha as number 1 again: the same number, and another log's.
        async with asyncio.timeout(WITHIN):
            with pytest.raises(Compacted):
                await waiting
        await watch.aclose()
        second = await service.push("gamma", "after")
        [again, after] = await service.log(first, second)
        assert (again.element, after.element) == (before.element, "gamma.bst")
        assert before.cursor not in {again.cursor, after.cursor}
        watch = client.watch(projects=projects, cursor=before.cursor)
        with pytest.raises(Compacted):
            await anext(watch)
        await watch.aclose()


async def test_a_paused_project_stays_so_without_the_disk(tmp_path: Path, amqp_url: str) -> None:
    async with pair(tmp_path, amqp_url, own_disks=True) as service:
        operations, project = service.service.client.operations, service.service.lab.project
        assert await operations.pause(reason="release freeze") == (project,)
        active, word = await service.active()
        await active.kill()
        pushed = await service.push("alpha", "while it is paused")
        standby, _ = await service.active(int(str(word["epoch"])))
        assert standby is not active
        await handled(standby, 0, "branch_pushed")
        [report] = (await operations.state()).projects
        assert report.paused is not None
        assert report.paused.reason == "release freeze"
        assert (report.waiting, report.running, report.last_entry) == (1, 0, 0)
        await operations.resume()
        await service.log(pushed)
