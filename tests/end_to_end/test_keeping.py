"""`hookfetch backup` while the service runs, and what becomes of it after `restore` of an old one."""

import asyncio
import json

import pytest

from hookfetch.client import Compacted, RefUpdate
from hookfetch.demo.lab import Lab
from tests.end_to_end.conftest import WITHIN, Service, Start
from tests.support.commands import run

pytestmark = pytest.mark.engine


async def test_after_the_restore_of_an_old_backup_the_service_catches_up(
    start: Start, amqp: str | None
) -> None:
    service = await start(amqp, "[sweep]\ninterval_least = 1.5\ninterval_most = 1.5\n")
    await service.ready()
    lab = service.lab
    await service.push("alpha", "before the backup")
    [first] = await service.updates(1)
    made = json.loads(await hookfetch(lab, "backup", "--json", str(lab.root / "kept")))
    assert (made["project"], made["last"], made["replaced"]) == (lab.project, 1, None)
    _, gamma = await service.push("gamma", "after the backup")
    _, second = await service.updates(2)
    refused = await hookfetch(lab, "restore", str(lab.root / "kept"), code=1)
    assert "a running hookfetch has the store open" in refused
    await service.serve.stop()
    assert "log up to 1; the one before is" in await hookfetch(lab, "restore", str(lab.root / "kept"))
    await service.serve.start()
    await service.gateway()
    _, again = await service.updates(2)
    assert (again.element, again.changes[0].ref) == ("gamma.bst", gamma)
    if amqp is not None:
        # The broker's log knew it: nothing is said under another number, and every cursor holds.
        assert again.cursor == second.cursor
        assert (await after(service, first.cursor)).cursor == second.cursor
    else:
        # The numbers after the backup were given out once: cursors are refused, and clients list again.
        assert again.cursor != second.cursor
        with pytest.raises(Compacted):
            await after(service, second.cursor)
    _, alpha = await service.push("alpha", "goes on")
    assert alpha in str((await service.updates(3))[2].changes)


async def after(service: Service, cursor: str) -> RefUpdate:
    """Return the first update that a watcher gets who resumes from `cursor`."""
    watch = service.client.watch(projects=[service.lab.project], cursor=cursor, patience=WITHIN)
    try:
        async with asyncio.timeout(WITHIN):
            return await anext(watch)
    finally:
        await watch.aclose()


async def hookfetch(lab: Lab, *arguments: str, code: int = 0) -> str:
    """Run the command and return its output, having checked its exit code."""
    done = await asyncio.to_thread(run, *arguments, "--config", str(lab.config))
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr
