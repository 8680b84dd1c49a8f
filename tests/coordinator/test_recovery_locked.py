"""A coordinator that was stopped in the middle of a transaction keeps the disk: the next one says who it is
and what to do about it, and goes on by itself once it can."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hookfetch.core.errors import Temporary
from hookfetch.store.database import Database
from hookfetch.store.writer import writer_of
from tests.coordinator.machines import Cluster, until

_WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT OR REPLACE INTO meta VALUES ('half', 'done')")
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def stopped_writer(store: Path) -> Iterator[int]:
    """Give the pid of a process that is stopped in the middle of a transaction."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            yield process.pid
        finally:
            process.kill()


@pytest.mark.broker
@pytest.mark.parametrize("cluster", ["rabbitmq"], indirect=True)  # in one process nobody takes over
async def test_who_takes_over_names_the_process_and_goes_on_when_it_is_gone(
    cluster: Cluster, tmp_path: Path
) -> None:
    one, two = await cluster.machine("disk"), await cluster.machine("disk")
    await one.activate()
    await one.announce("a.bst", "1")
    await one.leave()
    with capture_logs() as logs:
        with stopped_writer(tmp_path / "disk/store.sqlite") as pid:
            taking_over = asyncio.create_task(two.activate())
            await until(lambda: any(line["event"] == "activation_waits" for line in logs))
        await taking_over
    [reason] = {line["reason"] for line in logs if line["event"] == "activation_waits"}
    assert f"process {pid} (" in reason
    assert reason.endswith(f"stopped: let it go on (kill -CONT {pid}), or end it")
    assert "\n" not in reason
    await two.announce("a.bst", "2")
    assert await two.log() == [(1, "a.bst", "1"), (2, "a.bst", "2")]
    assert await two.rows("SELECT * FROM meta WHERE key = 'half'") == []


async def test_a_writer_is_named_only_while_there_is_one(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.sqlite")
    assert writer_of(tmp_path / "store.sqlite") is None
    await database.open()
    assert writer_of(tmp_path / "store.sqlite") is None
    other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    named = f"process {os.getpid()} (.*) is in the middle of a transaction$"
    with pytest.raises(Temporary, match=f"database is locked: {named}"):
        await database.run(lambda db: None)
    other.close()
    await database.run(lambda db: None)
    await database.close()
