"""The least that one new commit, or one new tarball, can cost: what `bench.floor` measures against.

List the refs, fetch with git or libgit2 into a mirror that has all but the new commit, hash what is new, ask
the cache with FindMissingBlobs and upload what it lacks; or download the tarball, hash its files, and so on.
It tracks by no rule, writes no BuildStream names, proves nothing, and is kept warm in a process of its own.
"""

import hashlib
import io
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pygit2
import requests

from hookfetch.cas.protos import remote_execution_pb2 as reapi
from hookfetch.cas.protos import remote_execution_pb2_grpc as services

BATCH = 1024 * 1024  # bytes of content in one message
BRANCH = "refs/heads/main"
WAYS = ("libgit2", "git", "tar")
SPEC = f"+{BRANCH}:{BRANCH}"


class Floor:
    """A connection to the cache at `host:port`, one to tarballs, and mirrors below `folder`."""

    def __init__(self, cache: str, folder: Path) -> None:
        self._storage: Any = services.ContentAddressableStorageStub(grpc.insecure_channel(cache))
        self._session = requests.Session()
        self._folder = folder

    def git(self, url: str, way: str) -> tuple[str, float]:
        """Return the commit that the branch is at now, in the cache, and the milliseconds it took."""
        mirror = self._mirror(url, way)
        known = mirror.references.get(BRANCH)
        before = None if known is None else mirror[known.target]
        began = time.perf_counter()
        listed = _by_libgit2(mirror) if way == "libgit2" else _by_git(mirror, url)
        old = set() if before is None else set(_objects(mirror, before.tree, frozenset()))
        new = list(_objects(mirror, mirror[listed].tree, old))
        self._upload([mirror[each].read_raw() for each in new])
        return listed, 1000 * (time.perf_counter() - began)

    def tar(self, url: str) -> tuple[str, float]:
        """Return the sha256 of the tarball as it is now, its files in the cache, and the milliseconds."""
        began = time.perf_counter()
        answer = self._session.get(url, timeout=60)
        answer.raise_for_status()
        content = answer.content
        digest = hashlib.sha256(content).hexdigest()
        blobs = []
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                held = archive.extractfile(member)
                if held is not None:
                    blobs.append(held.read())
        self._upload(blobs)
        return digest, 1000 * (time.perf_counter() - began)

    def _mirror(self, url: str, way: str) -> pygit2.Repository:
        path = self._folder / hashlib.sha256(f"{way} {url}".encode()).hexdigest()
        if not path.exists():
            pygit2.init_repository(path, bare=True).remotes.create("origin", url)
        return pygit2.Repository(str(path))

    def _upload(self, blobs: list[bytes]) -> None:
        by_digest = {(hashlib.sha256(blob).hexdigest(), len(blob)): blob for blob in blobs}
        digests = [reapi.Digest(hash=name, size_bytes=size) for name, size in by_digest]
        missing = self._storage.FindMissingBlobs(reapi.FindMissingBlobsRequest(blob_digests=digests))
        request, size = reapi.BatchUpdateBlobsRequest(), 0
        for digest in missing.missing_blob_digests:
            if size + digest.size_bytes > BATCH:
                self._storage.BatchUpdateBlobs(request)
                request, size = reapi.BatchUpdateBlobsRequest(), 0
            request.requests.add(digest=digest, data=by_digest[digest.hash, digest.size_bytes])
            size += digest.size_bytes
        if request.requests:
            self._storage.BatchUpdateBlobs(request)


def _by_libgit2(mirror: pygit2.Repository) -> str:
    remote = mirror.remotes["origin"]  # one connection for both
    (listed,) = [str(head.oid) for head in remote.list_heads() if head.name == BRANCH]
    remote.fetch([SPEC])
    return listed


def _by_git(mirror: pygit2.Repository, url: str) -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", mirror.path, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout

    listed = git("ls-remote", url, BRANCH).split()[0]
    git(
        "-c",
        "gc.auto=0",
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        url,
        f"+{listed}:{BRANCH}",
    )
    return listed


def _objects(mirror: pygit2.Repository, tree: Any, known: Any) -> Iterator[Any]:
    """Yield the ids of a tree and all below it, but for what is in `known`."""
    if tree.id in known:
        return
    yield tree.id
    for entry in tree:
        if entry.id in known:
            continue
        if entry.type_str == "tree":
            yield from _objects(mirror, entry, known)
        elif entry.type_str == "blob":
            yield entry.id


_floor: Floor | None = None  # of this process


def begin(cache: str, folder: Path) -> None:
    """Make this process the floor's."""
    global _floor
    _floor = Floor(cache, folder)


def run(way: str, url: str) -> tuple[str, float]:
    """Do one round in the floor's process, by one of WAYS."""
    assert _floor is not None
    return _floor.tar(url) if way == "tar" else _floor.git(url, way)
