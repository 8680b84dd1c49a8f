"""A release that a feed tells of: found, waited for, downloaded, announced, written and landed."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from hookfetch.client.values import RefUpdate, Settlement
from hookfetch.demo.lab import Lab
from hookfetch.demo.repositories import create_tarball
from tests.end_to_end.conftest import WITHIN, Service, Start
from tests.end_to_end.test_own_repository import in_a_repository
from tests.end_to_end.test_updates import _updates

pytestmark = pytest.mark.engine

_SETTINGS = (
    "[feeds]\ninterval_least = 0.2\ninterval_most = 0.2\n"
    "[releases]\nfirst = 0.5\nmost = 0.5\n"
    "[sweep]\ninterval_least = 0.2\ninterval_most = 0.5\n"
)
_VARIABLES = "kind: import\nvariables:\n  version: '1.0'  # by hand until now\n"


def _with_a_feed(lab: Lab) -> None:
    element = lab.root / "project/elements/delta.bst"
    text = element.read_text().replace("kind: import\n", _VARIABLES).replace("delta-1.0", "delta-%{version}")
    feed = f"html_index {lab.upstreams.url}/releases.html"
    element.write_text(f"{text}public:\n  hookfetch:\n    feed: {feed}\n")
    _tell(lab, "1.0", "1.1")
    in_a_repository(lab)
    lab.config.write_text(lab.config.read_text().replace('["main", "stable"]', '["main"]'))


def _tell(lab: Lab, *versions: str) -> None:
    links = (f'<a href="delta-{version}.tar.gz">delta-{version}.tar.gz</a>' for version in versions)
    page = lab.root / "upstreams/releases.html"
    page.write_text(f"<html><body>{' '.join(links)}</body></html>")


def _release(lab: Lab) -> Path:
    return create_tarball(lab.root / "upstreams", "delta-1.1.tar.gz", {"delta-1.1/README": "delta 1.1\n"})


async def test_a_release_on_a_feed_becomes_url_and_ref_in_the_branch(start: Start) -> None:
    service = await start(None, _SETTINGS, _with_a_feed)
    lab = service.lab
    await service.gateway()
    await service.serve.line(
        "that the archive is not there yet",
        lambda line: line["event"] == "not moved" and "HTTP 404" in str(line["reason"]),
        WITHIN,
    )
    why = await service.client.operations.explain(lab.project, "delta.bst")
    assert "1.1" in why.summary
    assert "not downloadable yet" in why.summary
    (listed,) = (await service.client.operations.elements(globs=["delta.bst"])).elements
    assert "version 1.1: seen, not downloadable yet" in str(listed.reason)

    archive = await asyncio.to_thread(_release, lab)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    [update] = await service.updates(1)
    assert (update.element, update.cached) == ("delta.bst", True)
    assert update.upgrade is not None
    assert (update.upgrade.old, update.upgrade.new) == ("1.0", "1.1")
    assert update.upgrade.feed == f"{lab.upstreams.url}/releases.html"
    (change,) = update.changes
    assert change.ref == digest
    assert change.base_url == f"{lab.upstreams.url}/delta-1.0.tar.gz"
    assert change.url == f"{lab.upstreams.url}/delta-1.1.tar.gz"

    element = lab.root / "project/elements/delta.bst"
    old = element.read_text()
    code, diff, said = await _updates(service)
    assert (code, said) == (0, b"")
    changed = [
        line for line in diff.decode().splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    base = str(change.base)
    assert changed == [
        "-  version: '1.0'  # by hand until now",
        "+  version: '1.1'  # by hand until now",
        f"-  ref: {base}",
        f"+  ref: {digest}",
    ]
    new = old.replace("'1.0'", "'1.1'").replace(base, digest)
    watch = service.client.watch(projects=[lab.project], start="oldest", patience=WITHIN)
    try:
        async with asyncio.timeout(WITHIN):
            assert isinstance(await anext(watch), RefUpdate)
            repository = lab.repositories["project"]
            await asyncio.to_thread(repository.commit, {"elements/delta.bst": new}, "delta 1.1")
            landed = await anext(watch)
    finally:
        await watch.aclose()
    assert isinstance(landed, Settlement)
    assert (landed.element, landed.outcome) == ("delta.bst", "landed")
    element.write_text(new)
    assert await asyncio.to_thread(_fetched_without_upstream, service) == "delta 1.1\n"


def _fetched_without_upstream(service: Service) -> str:
    service.lab.upstreams.stop()
    out = service.lab.root / "out"
    for command in ("fetch", "delta.bst"), ("checkout", "--directory", str(out), "delta.bst"):
        done = service.lab.bst("source", *command)
        assert done.returncode == 0, done.stderr
    (readme,) = out.rglob("README")
    return readme.read_text()
