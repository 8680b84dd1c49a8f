"""A tarball that is replaced at its address, of which no delivery ever tells: swept, tracked, announced."""

import asyncio
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from hookfetch.config import load_config
from hookfetch.demo.lab import Lab
from hookfetch.demo.repositories import create_tarball
from hookfetch.store.database import Database
from hookfetch.store.files import SeenFiles
from hookfetch.upstreams.head import validators_of
from tests.end_to_end.conftest import Start

pytestmark = pytest.mark.engine

_NAME = "delta-1.0.tar.gz"
# Of a file that has changed lately 32 times this: a second.
_OFTEN = "[sweep]\ninterval_least = 0.03\ninterval_most = 1e6\n"


async def test_a_tarball_that_is_replaced_is_swept_tracked_and_announced(start: Start) -> None:
    service = await start(None, _OFTEN, _have_it_looked_at)
    archive = await asyncio.to_thread(
        create_tarball, service.lab.root / "upstreams", _NAME, {"delta-1.0/README": "delta, once more\n"}
    )
    [update] = await service.updates(1)
    assert update.element == "delta.bst"
    assert update.changes[0].ref == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert update.cached
    (cause,) = update.causes
    assert cause.startswith("sweep/")
    assert _NAME in cause
    fetched = await asyncio.to_thread(_fetch_without_upstream, service.lab, archive)
    assert fetched == "delta, once more\n"


def _have_it_looked_at(lab: Lab) -> None:
    """Let the service to come have seen the tarball change just now: one that was never seen to change would
    be asked for again after half an hour."""
    with ThreadPoolExecutor(1) as thread:  # the test has a loop of its own
        thread.submit(asyncio.run, _look(lab)).result()


async def _look(lab: Lab) -> None:
    url = f"{lab.upstreams.url}/{_NAME}"
    async with aiohttp.ClientSession() as session:
        seen = await validators_of(session, URL(url), 10.0)
    assert seen.etag is not None
    database = Database(load_config(lab.config).stores()[lab.project])
    await database.open()
    try:
        await SeenFiles(database, time.time).remember_file(url, seen, changed=True)
    finally:
        await database.close()


def _fetch_without_upstream(lab: Lab, archive: Path) -> str:
    """Return what an unmodified bst checks out of the new tarball when only the source cache has it."""
    old = (lab.root / "project/elements/delta.bst").read_text().rpartition("ref: ")[2].strip()
    lab.element_with("delta", old, hashlib.sha256(archive.read_bytes()).hexdigest())
    lab.upstreams.stop()
    out = lab.root / "out"
    for command in ("fetch", "delta.bst"), ("checkout", "--directory", str(out), "delta.bst"):
        done = lab.bst("source", *command)
        assert done.returncode == 0, done.stderr
    (readme,) = out.rglob("README")
    return readme.read_text()
