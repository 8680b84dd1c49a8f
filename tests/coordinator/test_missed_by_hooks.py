"""What moves in a hooked repository without a word from its hook is found by the real sweep, counted and
logged; and what the hook tells of, before the sweep or soon after, is not."""

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.coordinator.housekeeping import tell_missed
from hookfetch.core.codec import dump_event
from hookfetch.core.events import BranchPushed
from hookfetch.core.ports import Message
from hookfetch.core.repository import identify, routing_key
from hookfetch.store.hooked import GRACE, missed_in_all
from tests.coordinator.service import Service, until_rows
from tests.coordinator.test_paused_sweep import OFTEN, Swept
from tests.upstreams.serving import Log, git_server

WITHIN = 30.0
AWAITED = "SELECT count(*) FROM awaited"


async def told_of(service: Service, url: str, commit: str, delivery: str) -> None:
    """Have a hook tell that the branch is at `commit`, and wait until that is handled."""
    repository = identify(url)
    assert repository is not None
    event = BranchPushed(
        id=f"{delivery}#0",
        delivery_id=delivery,
        observed_at=0.0,
        repositories=(repository,),
        ref="refs/heads/main",
        after=commit,
        target=commit,
    )
    await service.bus.publish_fact([routing_key(repository)], Message(id=event.id, body=dump_event(event)))
    await until_rows(
        lambda: service.rows(f"SELECT 1 FROM events WHERE id = '{event.id}'"),  # noqa: S608 (a constant)
        [(1,)],
        WITHIN,
    )


async def test_what_a_hook_should_have_told_and_did_not_is_counted_and_logged(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    async with git_server(tmp_path / "served", Log()) as served:
        project = Swept(tmp_path, served, Log(), OFTEN, "p")
        url = f"{served}/p.git"
        async with project.running(MemoryBus(tmp_path / "dead")) as service:
            clock = asyncio.get_running_loop().time
            await until_rows(
                lambda: service.rows("SELECT count(*) FROM observed_repositories"), [(1,)], WITHIN
            )
            # A hook tells soon after the sweep has found it.
            first = project.repository.commit_of("refs/heads/main")
            assert first is not None
            await told_of(service, url, first, "hook/1")
            second = await asyncio.to_thread(project.repository.commit, {"a": "2"}, "two")
            await until_rows(lambda: service.rows(AWAITED), [(1,)], WITHIN)
            await told_of(service, url, second, "hook/2")
            assert await service.rows(AWAITED) == [(0,)]
            # A hook tells before the sweep looks.
            third = await asyncio.to_thread(project.repository.commit, {"a": "3"}, "three")
            await told_of(service, url, third, "hook/3")
            await until_rows(
                lambda: service.rows(f"SELECT 1 FROM observed WHERE oid = '{third}'"),  # noqa: S608 (a constant)
                [(1,)],
                WITHIN,
            )
            assert await service.rows(AWAITED) == [(0,)]
            # It says nothing at all.
            missed = await asyncio.to_thread(project.repository.commit, {"a": "4"}, "four")
            await until_rows(lambda: service.rows(AWAITED), [(1,)], WITHIN)
            with capture_logs() as lines:
                await tell_missed(service.database, clock())
                await tell_missed(service.database, clock() + GRACE + WITHIN)
                await tell_missed(service.database, clock() + GRACE + WITHIN)
            told = [line for line in lines if line["event"] == "missed_by_hook"]
            assert [(line["ref"], line["target"], line["log_level"]) for line in told] == [
                ("refs/heads/main", missed, "warning")
            ]
            count, _ = await service.database.run(missed_in_all)
            assert count == 1
