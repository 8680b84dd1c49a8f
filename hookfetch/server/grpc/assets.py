"""The Remote Asset service for BuildStream: what the source cache has, proved; what it lacks, made again.

Remote Asset API v1, by BuildStream's names (`urn:fdc:buildstream.build:2020:source:…`). A client has its
upstreams to go to: whatever goes wrong here is NOT_FOUND to it, never an error that would end its job.
"""

import asyncio
import re
from collections.abc import Collection, Mapping
from typing import Any

import grpc
import structlog

from hookfetch.cas.proof import SOURCE_URN
from hookfetch.cas.protos import remote_asset_pb2 as pb
from hookfetch.cas.protos import remote_asset_pb2_grpc
from hookfetch.core.errors import HookfetchError
from hookfetch.server.grpc.asset_lookups import CacheLookups, Kind
from hookfetch.server.grpc.asset_recipes import Recipes
from hookfetch.server.grpc.errors import Answering, Refused, invalid
from hookfetch.server.grpc.readers import Context, Readers

_log = structlog.get_logger(__name__)

MAX_URIS = 16
LOOK_UP_SECONDS = 60.0  # a tree of 100,000 files takes a few
_KEYS: Mapping[Kind, re.Pattern[str]] = {
    "element": re.compile(r"[0-9a-f]{64}"),
    "source": re.compile(r"[A-Za-z0-9_.-]{1,100}/[0-9a-f]{64}"),
}
_MISSING = "neither cached nor known here"


class FetchServicer(remote_asset_pb2_grpc.FetchServicer):  # type: ignore[misc] # generated, without types
    """Answers from the source cache of each project (`caches`, by project) that a caller may read.

    Where a cache is also of projects that the caller may not read, it is told of what its own know alone.
    """

    def __init__(self, caches: Mapping[str, CacheLookups], recipes: Recipes, readers: Readers) -> None:
        self._caches = caches
        self._recipes = recipes
        self._readers = readers
        self._owners: dict[CacheLookups, set[str]] = {}
        for project, cache in caches.items():
            self._owners.setdefault(cache, set()).add(_without_branch(project))

    async def FetchBlob(self, request: Any, context: Context) -> Any:  # noqa: N802  the contract's name
        """Return the blob of an element's sources."""
        async with Answering(context):
            uri, digest = await self._fetch("element", request, context)
            return pb.FetchBlobResponse(uri=uri, blob_digest=digest)

    async def FetchDirectory(self, request: Any, context: Context) -> Any:  # noqa: N802  the same
        """Return the directory of one source."""
        async with Answering(context):
            uri, digest = await self._fetch("source", request, context)
            return pb.FetchDirectoryResponse(uri=uri, root_directory_digest=digest)

    async def _fetch(self, kind: Kind, request: Any, context: Context) -> tuple[str, Any]:
        _check(request)
        projects = self._readers.projects(context, request.instance_name)
        # The specification's time-out, in which what is not there is to be had.
        within = request.timeout.ToNanoseconds() / 1e9 if request.HasField("timeout") else None
        try:
            async with asyncio.timeout(within):
                for uri in request.uris:
                    name = uri.removeprefix(SOURCE_URN)
                    if name == uri or not _KEYS[kind].fullmatch(name):
                        continue
                    digest = await self._found(kind, name, projects)
                    if digest is not None:
                        return uri, digest
        except TimeoutError:
            _log.info("asset given up", uris=list(request.uris), seconds=within)
        except Exception:  # noqa: BLE001 - a bug of ours is no reason for a client's job to fail: logged
            _log.exception("asset not looked up", uris=list(request.uris))
        raise Refused(grpc.StatusCode.NOT_FOUND, _MISSING)

    async def _found(self, kind: Kind, name: str, projects: Collection[str]) -> Any:
        digest, away = await self._cached(kind, name, projects)
        # Behind a cache that is not there nothing can be had, made again or not.
        reachable = frozenset(projects) - away
        if digest is not None or not reachable or not await self._recipes.make(reachable, name):
            return digest
        digest, _ = await self._cached(kind, name, reachable)
        if digest is None:
            _log.warning("made, but not under this name", name=name)
        return digest

    async def _cached(self, kind: Kind, name: str, projects: Collection[str]) -> tuple[Any, frozenset[str]]:
        """Return what the first cache that has it has under a name, and the projects whose cache is away."""
        away = set[str]()
        caches: dict[CacheLookups, set[str]] = {}
        for project in sorted(projects):
            if project in self._caches:
                caches.setdefault(self._caches[project], set()).add(project)
            else:
                away.add(project)
        for cache, mine in caches.items():
            try:
                async with asyncio.timeout(LOOK_UP_SECONDS):
                    digest = await cache.find(kind, name)
            except (HookfetchError, TimeoutError) as error:
                _log.warning("source cache not asked", projects=sorted(mine), reason=str(error))
                away |= mine
                continue
            if digest is not None and (self._owns(cache, mine) or await self._recipes.knows(mine, name)):
                return digest, frozenset(away)
        return None, frozenset(away)

    def _owns(self, cache: CacheLookups, projects: Collection[str]) -> bool:
        return self._owners[cache] <= set(map(_without_branch, projects))


class PushServicer(remote_asset_pb2_grpc.PushServicer):  # type: ignore[misc] # generated, without types
    """Refuses: what is announced here was fetched here, and a client's word is no proof of that."""

    async def PushBlob(self, request: Any, context: Context) -> Any:  # noqa: N802, ARG002  the same
        """Refuse."""
        async with Answering(context):
            raise _no_push()

    async def PushDirectory(self, request: Any, context: Context) -> Any:  # noqa: N802, ARG002  the same
        """Refuse."""
        async with Answering(context):
            raise _no_push()


def _without_branch(project: str) -> str:
    # Branches of one project are no secrets to each other.
    return project.partition("@")[0]


def _no_push() -> Refused:
    text = "sources are not pushed through hookfetch: leave out `push`, or name the source cache itself"
    return Refused(grpc.StatusCode.PERMISSION_DENIED, text)


def _check(request: Any) -> None:
    # BuildStream asks so, at its start, whether this is a Remote Asset service.
    if not request.uris:
        raise invalid("uris", "must not be empty")
    if len(request.uris) > MAX_URIS:
        raise invalid("uris", f"has at most {MAX_URIS}")
    # A server must refuse a qualifier that it does not heed (Remote Asset API, FetchBlobRequest).
    for qualifier in request.qualifiers:
        raise invalid("qualifiers.name", f"{qualifier.name[:100]!r} is not supported")
