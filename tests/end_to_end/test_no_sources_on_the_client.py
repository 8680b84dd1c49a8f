"""Clients that keep no sources: an unmodified `bst` with shared storage, and one that is told a directory."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from buildstream._protos.buildstream.v2 import artifact_pb2

from hookfetch.core.digests import Digest
from tests.end_to_end.conftest import WITHIN, Start
from tests.support.storage_lab import TARGET, Sources, counted_client, write_elements

pytestmark = pytest.mark.engine

COUNT = 6


async def test_an_unmodified_bst_fetches_plans_and_builds_without_the_content_of_its_sources(
    start: Start,
) -> None:
    written: list[Sources] = []
    service = await start(
        before=lambda lab: written.append(write_elements(lab, COUNT, files=10, size=100_000))
    )
    await service.ready()
    [sources] = written
    with counted_client(service.lab, "storing", storage=True) as client:
        downloads = [
            await client.run("source", "fetch", "--deps", "all", TARGET),
            await client.run("show", TARGET),
            # What is imported is its sources: nothing is to be run, and so built without a sandbox.
            await client.run("build", TARGET),
        ]
        built = dict(artifacts(client.client.home / "cachedir", sources))
        for each in downloads:
            assert each.ran.code == 0, each.ran.told
    assert downloads[0].ran.pulled == COUNT
    assert downloads[1].ran.told.count("buildable") == COUNT
    assert [each.upstreams for each in downloads] == [0, 0, 0]
    assert sum(each.bytes for each in downloads) < sources.size / 100
    staging = (service.client.stage(service.lab.project, element, timeout=WITHIN) for element in built)
    assert [staged.directory for staged in await asyncio.gather(*staging)] == list(built.values())


def artifacts(cache: Path, sources: Sources) -> Iterator[tuple[str, Digest]]:
    """Yield the directory of each artifact of a client."""
    for element in sources.elements:
        place = cache / "artifacts/refs/demo" / element.removesuffix(".bst")
        (content,) = {path.read_bytes() for path in place.iterdir()}
        files = artifact_pb2.Artifact.FromString(content).files
        yield element, Digest(files.hash, files.size_bytes)
