"""Addresses of upstreams in the Remote Asset service of a real service: files, and directories of commits."""

import asyncio
import base64
import hashlib
import time
from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from hookfetch.cas.protos import remote_asset_pb2 as pb
from hookfetch.cas.protos import remote_asset_pb2_grpc, remote_execution_pb2, remote_execution_pb2_grpc
from tests.end_to_end.conftest import WITHIN, Service, Start

pytestmark = pytest.mark.engine

NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]


class Asking:
    """A client that knows nothing but the specification."""

    def __init__(self, service: Service, channel: grpc.aio.Channel, storage: grpc.aio.Channel) -> None:
        self.upstreams = service.lab.upstreams.url
        self._fetch: Any = remote_asset_pb2_grpc.FetchStub(channel)
        self._storage: Any = remote_execution_pb2_grpc.ContentAddressableStorageStub(storage)

    async def blob(self, *uris: str, **qualifiers: str) -> Any:
        return await self._fetch.FetchBlob(
            pb.FetchBlobRequest(uris=self._at(uris), qualifiers=_qualifiers(qualifiers))
        )

    async def directory(self, uri: str, *, oldest: float | None = None, **qualifiers: str) -> Any:
        request = pb.FetchDirectoryRequest(uris=self._at([uri]), qualifiers=_qualifiers(qualifiers))
        if oldest is not None:
            request.oldest_content_accepted.FromNanoseconds(round(oldest * 1e9))
        return await self._fetch.FetchDirectory(request)

    async def content(self, digest: Any) -> bytes:
        """Return a blob, from the cache itself."""
        request = remote_execution_pb2.BatchReadBlobsRequest(digests=[digest])
        (answer,) = (await self._storage.BatchReadBlobs(request)).responses
        assert answer.status.code == 0, answer.status
        return bytes(answer.data)

    async def files(self, root: Any) -> dict[str, bytes]:
        """Return the files of a directory."""
        directory = remote_execution_pb2.Directory.FromString(await self.content(root))
        assert not directory.directories
        return {node.name: await self.content(node.digest) for node in directory.files}

    def _at(self, uris: Sequence[str]) -> list[str]:
        return [f"{self.upstreams}/{uri}" for uri in uris]


def _qualifiers(given: dict[str, str]) -> list[Any]:
    # Names have dots, which no argument of Python's can have.
    return [
        pb.Qualifier(name=name.replace("_sri", ".sri").replace("vcs_", "vcs."), value=value)
        for name, value in given.items()
    ]


def _resolved(answer: Any) -> dict[str, str]:
    assert answer.status.code == 0, answer.status
    return {each.name: each.value for each in answer.qualifiers}


async def test_files_and_commits_are_had_by_their_upstreams_addresses_and_nothing_else_is(
    start: Start,
) -> None:
    service = await start()
    await service.ready()
    async with (
        grpc.aio.insecure_channel(service.lab.grpc) as channel,
        grpc.aio.insecure_channel(service.lab.cache.url.removeprefix("http://")) as storage,
    ):
        asking = Asking(service, channel, storage)
        await _a_file(asking, service)
        await _a_branch_and_a_commit(asking, service)
        await _without_upstreams(asking, service)


async def _a_file(asking: Asking, service: Service) -> None:
    archive = (service.lab.root / "upstreams/delta-1.0.tar.gz").read_bytes()
    sri = f"sha256-{base64.b64encode(hashlib.sha256(archive).digest()).decode()}"
    # Nobody has asked for it before: a job brings it, as it would for a Track.
    answer = await asking.blob("delta-1.0.tar.gz")
    assert _resolved(answer) == {"checksum.sri": sri}
    assert await asking.content(answer.blob_digest) == archive
    # It is had by its checksum also from where it never was, and by no other one.
    mirrored = await asking.blob("elsewhere/d.tgz", checksum_sri=sri, resource_type="application/gzip")
    assert mirrored.blob_digest == answer.blob_digest
    stronger = f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"
    assert (await asking.blob("delta-1.0.tar.gz", checksum_sri=stronger)).blob_digest == answer.blob_digest
    other = f"sha256-{base64.b64encode(hashlib.sha256(b'other').digest()).decode()}"
    missing = await asking.blob("delta-1.0.tar.gz", checksum_sri=other)
    assert (missing.status.code, missing.uri) == (NOT_FOUND, f"{asking.upstreams}/delta-1.0.tar.gz")
    # What is upstream and no element uses is not there.
    (service.lab.root / "upstreams/secret.txt").write_text("secret\n")
    assert (await asking.blob("secret.txt")).status.code == NOT_FOUND


async def _a_branch_and_a_commit(asking: Asking, service: Service) -> None:
    first = service.lab.repositories["alpha"].commit_of("refs/heads/main") or ""
    answer = await asking.directory("alpha.git", vcs_branch="main", resource_type="application/x-git")
    assert _resolved(answer) == {
        "resource_type": "application/x-git",
        "vcs.commit": first,
        "vcs.branch": "main",
    }
    assert await asking.files(answer.root_directory_digest) == {"README": b"alpha, as it was\n"}
    _, second = await service.push("alpha", "moved, and nobody told")
    moved = await asking.directory("alpha", vcs_branch="main")
    assert _resolved(moved)["vcs.commit"] == second
    assert await asking.files(moved.root_directory_digest) == {"README": b"moved, and nobody told"}
    # The default branch, by the other form of the address.
    assert _resolved(await asking.directory("alpha.git"))["vcs.commit"] == second
    old = await asking.directory("alpha.git", vcs_commit=first)
    assert old.root_directory_digest == answer.root_directory_digest
    both = await asking.directory("alpha.git", vcs_commit=first, vcs_branch="main")
    assert _resolved(both)["vcs.commit"] == first
    _, third = await service.push("alpha", "again")
    assert (
        _resolved(await asking.directory("alpha.git", vcs_branch="main", oldest=time.time() - 60))[
            "vcs.commit"
        ]
        == second
    )
    for missing in (
        asking.directory("alpha.git", vcs_branch="main", oldest=time.time() + 60),
        asking.directory("alpha.git", vcs_branch="other"),
        asking.directory("alpha.git", vcs_commit="0" * 40),
        asking.directory("alpha.git", resource_type="application/zip"),
        asking.directory("unknown.git", vcs_branch="main"),
        asking.blob("alpha.git", resource_type="application/x-git"),
    ):
        assert (await missing).status.code == NOT_FOUND
    # For a commit that is missing a job looks, if none has within a second.
    async with asyncio.timeout(WITHIN):
        while (await asking.directory("alpha.git", vcs_commit=third)).status.code == NOT_FOUND:
            await asyncio.sleep(0.2)


async def _without_upstreams(asking: Asking, service: Service) -> None:
    third = service.lab.repositories["alpha"].commit_of("refs/heads/main") or ""
    await asyncio.to_thread(service.lab.upstreams.stop)
    assert _resolved(await asking.directory("alpha.git", vcs_commit=third))["vcs.commit"] == third
    # Content of any age will do; of now there is none.
    assert _resolved(await asking.directory("alpha.git", vcs_branch="main"))["vcs.commit"] == third
    late = await asking.directory("alpha.git", vcs_branch="main", oldest=time.time())
    assert late.status.code == NOT_FOUND
