"""Addresses of upstreams, answered from what this machine's workers keep of them: a file, or the directory
that a commit of a repository is, put into the storage.

What no element of a caller's projects uses is not there for it. What may have moved is looked at by a job,
as for a Track; a commit, or a checksum, stays what it is.
"""

import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import structlog

from hookfetch.cas.directories import Unsuited
from hookfetch.cas.git_objects import GitObjects
from hookfetch.core.refs import commit_of
from hookfetch.originals.folder import Folder, Original, repository_name
from hookfetch.server.grpc.assets.integrity import Integrity, sri_of
from hookfetch.server.grpc.assets.looks import Looks, Used
from hookfetch.server.grpc.assets.qualifiers import GIT, Wanted
from hookfetch.server.grpc.assets.uploads import Uploads
from hookfetch.server.originals.finding import Finder, KeptFile, file_of, has_names

_log = structlog.get_logger(__name__)

# For what is missing a job looks at a source once in so long, whatever is asked for.
_LOOKED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """What an address stands for: a digest that the storage holds, and the qualifiers that say what it is."""

    digest: Any
    qualifiers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Commit:
    """A commit (hexadecimal), and the branch that it was asked for by."""

    id: str
    branch: str | None


class Originals:
    """What is in `folder`, for projects whose caches are `uploads`."""

    def __init__(self, folder: Folder, uploads: Mapping[str, Uploads], looks: Looks) -> None:
        self._folder = folder
        self._uploads = uploads
        self._looks = looks
        self._finder = Finder()

    def close(self) -> None:
        """End what is being looked for."""
        self._finder.close()

    async def blob(
        self, url: str, wanted: Wanted, projects: Collection[str], oldest: float | None
    ) -> Found | None:
        """Return the file at `url`, one that came at `oldest` (Unix seconds) or later unless its checksum is
        given; None where there is none for `projects`.

        CacheAway, Temporary, Busy and Refused as those who are asked raise them.
        """
        if wanted.resource_type == GIT:
            return None
        integrity = wanted.integrity
        digest = min(integrity.sha256, default=None) if integrity is not None else None
        users = await self._looks.users(self._known(projects), "files", url, digest=digest)
        for used in users:
            found = await self._file(used, integrity, oldest)
            if found is not None:
                return found
        for used in users[:1]:
            seen = await self._looks.newest(used, _recently() if oldest is None else oldest)
            if seen is not None and isinstance(seen.ref, str):
                return await self._file(used, integrity or Integrity("sha256", frozenset({seen.ref})), None)
        return None

    async def directory(
        self, url: str, wanted: Wanted, projects: Collection[str], oldest: float | None
    ) -> Found | None:
        """Return the directory that a commit of the repository at `url` is: the wanted one, or what the
        wanted branch, or else the default one, was at when it was looked at, at `oldest` (Unix seconds) or
        later. None and raises as `blob`."""
        if not wanted.is_git:
            return None
        known = self._known(projects)
        users = await self._looks.users(known, "git", url, branch=wanted.branch)
        if wanted.commit is None and wanted.branch is None and users:
            branch = await self._default_branch(users)
            if branch is None:
                return None
            wanted = Wanted(any=wanted.any, resource_type=wanted.resource_type, branch=branch)
            users = await self._looks.users(known, "git", url, branch=branch)
        if wanted.branch is not None:
            users = [used for used in users if used.user.follows]
        for used in users:
            found = await self._tree(used, wanted, oldest)
            if found is not None:
                return found
        if wanted.branch is None:
            # It may be newer than what was looked at last.
            for used in users[:1]:
                if await self._looks.newest(used, _recently()) is not None:
                    return await self._tree(used, wanted, None)
        return None

    def _known(self, projects: Collection[str]) -> list[str]:
        return [project for project in projects if project in self._uploads]

    async def _file(self, used: Used, integrity: Integrity | None, oldest: float | None) -> Found | None:
        async with self._held("files", used.user.url, used.project) as original:
            if original is None:
                return None
            kept = await self._finder.do(_kept, original.content, integrity)
            # A checksum names the same content for ever, whenever it came.
            if kept is None or (integrity is None and oldest is not None and kept.since < oldest):
                return None
            digest = await self._uploads[used.project].file(kept)
        return Found(digest, {"checksum.sri": sri_of(kept.digest)})

    async def _tree(self, used: Used, wanted: Wanted, oldest: float | None) -> Found | None:
        commit = await self._commit(used, wanted, oldest)
        if commit is None:
            return None
        async with self._held("git", used.user.url, used.project) as original:
            if original is None:
                return None
            if wanted.commit is not None and commit.id != wanted.commit:
                if not await self._finder.do(_is_on, original.content, commit.id, wanted.commit):
                    return None
                commit = _Commit(wanted.commit, commit.branch)
            if commit.branch is not None and await self._finder.do(_has_tag, original.content, commit.branch):
                return None  # plugins take a tag of the same name for it
            try:
                uploads = self._uploads[used.project]
                digest = await uploads.tree(original.content, bytes.fromhex(commit.id))
            except Unsuited as error:
                _log.info("not certain what git would check out", commit=commit.id, reason=str(error))
                return None
        if digest is None:
            return None
        resolved = {"resource_type": GIT, "vcs.commit": commit.id}
        return Found(digest, resolved if commit.branch is None else {**resolved, "vcs.branch": commit.branch})

    async def _commit(self, used: Used, wanted: Wanted, oldest: float | None) -> _Commit | None:
        """Return the wanted commit, or with a branch what that is at."""
        if wanted.branch is None:
            return None if wanted.commit is None else _Commit(wanted.commit, None)
        seen = await self._looks.newest(used, oldest)
        if seen is not None:
            at = commit_of(seen.ref)
            return None if at is None else _Commit(at, wanted.branch)
        if oldest is not None:
            return None
        # Content of any age will do, and the upstream may be away.
        async with self._held("git", used.user.url, used.project) as original:
            at = None
            if original is not None:
                at = await self._finder.do(_branch, original.content, wanted.branch)
        return None if at is None else _Commit(at, wanted.branch)

    async def _default_branch(self, users: Sequence[Used]) -> str | None:
        for used in users:
            async with self._held("git", used.user.url, used.project) as original:
                if original is not None:
                    branch = await self._finder.do(_head, original.content)
                    if branch is not None:
                        return branch
        return None

    @asynccontextmanager
    async def _held(
        self, kind: Literal["git", "files"], url: str, project: str
    ) -> AsyncIterator[Original | None]:
        name = repository_name(url) if kind == "git" else url
        places = [self._folder.own(project, kind, name), self._folder.shared(kind, name)]
        async with self._finder.held(places) as original:
            yield original


def _kept(folder: Path, integrity: Integrity | None) -> KeptFile | None:
    """Return the file that has a checksum, or the newest one; None when there is none. Blocks."""
    known = integrity.sha256 if integrity is not None else frozenset()
    for digest in sorted(known):
        kept = file_of(folder, digest)
        if kept is not None:
            return kept
    if known:
        return None
    newest = file_of(folder, None)
    if integrity is None or newest is None:
        return newest
    with newest.path.open("rb") as file:
        return newest if integrity.fits(file) else None


def _branch(place: Path, branch: str) -> str | None:
    with GitObjects(place) as mirror:
        found = mirror.commit_of(f"refs/heads/{branch}")
    return None if found is None else found.hex()


def _head(place: Path) -> str | None:
    if not has_names(place):
        return None
    with GitObjects(place) as mirror:
        return mirror.branch()


def _has_tag(place: Path, name: str) -> bool:
    with GitObjects(place) as mirror:
        return mirror.ref(f"refs/tags/{name}") is not None


def _recently() -> float:
    return time.time() - _LOOKED_SECONDS


def _is_on(place: Path, tip: str, commit: str) -> bool:
    with GitObjects(place) as mirror:
        return mirror.is_on(bytes.fromhex(tip), bytes.fromhex(commit))
