"""The Remote Asset service: what the source cache has, proved; what it lacks, made again; and originals.

Remote Asset API v1. By BuildStream's names (`urn:fdc:buildstream.build:2020:source:…`) a client has its
upstreams to go to: whatever goes wrong here is NOT_FOUND to it, never an error that would end its job. By
addresses of upstreams what is not to be had is told in the answer's `status`, as the specification has it.
"""

import asyncio
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from google.rpc import code_pb2, status_pb2

from hookfetch.cas.proof import SOURCE_URN
from hookfetch.cas.protos import remote_asset_pb2 as pb
from hookfetch.cas.protos import remote_asset_pb2_grpc, remote_execution_pb2
from hookfetch.core.errors import HookfetchError
from hookfetch.server.grpc.assets import qualifiers
from hookfetch.server.grpc.assets.cached import Cached
from hookfetch.server.grpc.assets.lookups import Kind
from hookfetch.server.grpc.assets.originals import Found, Originals
from hookfetch.server.grpc.assets.qualifiers import Wanted
from hookfetch.server.grpc.errors import Answering, Refused, invalid
from hookfetch.server.grpc.readers import Context, Readers

_log = structlog.get_logger(__name__)

MAX_URIS = 16
MAX_URI = 4000  # characters
# For an original, of a client that sets no time: a job that downloads a large repository takes minutes.
ORIGINAL_SECONDS = 600.0
_KEYS: Mapping[Kind, re.Pattern[str]] = {
    "element": re.compile(r"[0-9a-f]{64}"),
    "source": re.compile(r"[A-Za-z0-9_.-]{1,100}/[0-9a-f]{64}"),
}
_ADDRESS = re.compile(r"(?:https?|ftp|git|ssh)://[^/\s]+/\S+")
_MISSING = "neither cached nor known here"
_SHA256 = remote_execution_pb2.DigestFunction.SHA256


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is answered for one of a request's URIs: what was found, or by `code` why nothing was."""

    uri: str
    found: Found | None = None
    code: int = code_pb2.OK

    @property
    def fields(self) -> dict[str, Any]:
        """Return the fields that the responses of both methods share."""
        if self.found is None:
            return {"uri": self.uri, "status": status_pb2.Status(code=self.code, message=_MISSING)}
        resolved = [pb.Qualifier(name=name, value=value) for name, value in self.found.qualifiers.items()]
        return {"uri": self.uri, "qualifiers": resolved}


class FetchServicer(remote_asset_pb2_grpc.FetchServicer):  # type: ignore[misc] # generated, without types
    """Answers with what those projects have that a caller may read."""

    def __init__(self, cached: Cached, originals: Originals, readers: Readers) -> None:
        self._cached = cached
        self._originals = originals
        self._readers = readers

    async def FetchBlob(self, request: Any, context: Context) -> Any:  # noqa: N802  the contract's name
        """Return the blob of an element's sources, or a file."""
        async with Answering(context):
            _check(request)
            answer = await self._fetch("element", request, qualifiers.of_blob(request.qualifiers), context)
            digest = None if answer.found is None else answer.found.digest
            return pb.FetchBlobResponse(blob_digest=digest, **answer.fields)

    async def FetchDirectory(self, request: Any, context: Context) -> Any:  # noqa: N802  the same
        """Return the directory of one source, or of a repository's commit."""
        async with Answering(context):
            _check(request)
            wanted = qualifiers.of_directory(request.qualifiers)
            answer = await self._fetch("source", request, wanted, context)
            digest = None if answer.found is None else answer.found.digest
            return pb.FetchDirectoryResponse(root_directory_digest=digest, **answer.fields)

    async def _fetch(self, kind: Kind, request: Any, wanted: Wanted, context: Context) -> _Answer:
        projects = self._readers.projects(context, request.instance_name)
        # The specification's time-out, in which what is not there is to be had.
        within = request.timeout.ToNanoseconds() / 1e9 if request.HasField("timeout") else None
        addresses = [uri for uri in request.uris if _ADDRESS.fullmatch(uri)]
        code = code_pb2.NOT_FOUND
        try:
            async with asyncio.timeout(within):
                if not wanted.any:  # what was staged has none of the properties that qualifiers name
                    found = await self._named(kind, request.uris, projects)
                    if found is not None:
                        return found
                async with asyncio.timeout(ORIGINAL_SECONDS):
                    for uri in addresses:
                        original = await self._original(kind, uri, wanted, projects, request)
                        if original is not None:
                            return _Answer(uri, original)
        except TimeoutError:
            code = code_pb2.DEADLINE_EXCEEDED
            _log.info("asset given up", uris=len(request.uris), seconds=within)
        except Exception:  # noqa: BLE001 - a bug of ours is no reason for a client's job to fail: logged
            _log.exception("asset not looked up", uris=len(request.uris))
        if len(addresses) < len(request.uris):
            raise Refused(grpc.StatusCode.NOT_FOUND, _MISSING)
        return _Answer(addresses[0], code=code)

    async def _named(self, kind: Kind, uris: Collection[str], projects: Collection[str]) -> _Answer | None:
        for uri in uris:
            name = uri.removeprefix(SOURCE_URN)
            if name == uri or not _KEYS[kind].fullmatch(name):
                continue
            digest = await self._cached.found(kind, name, projects)
            if digest is not None:
                return _Answer(uri, Found(digest, {}))
        return None

    async def _original(
        self, kind: Kind, uri: str, wanted: Wanted, projects: Collection[str], request: Any
    ) -> Found | None:
        oldest = None
        if request.HasField("oldest_content_accepted"):
            oldest = request.oldest_content_accepted.ToNanoseconds() / 1e9
        find = self._originals.blob if kind == "element" else self._originals.directory
        try:
            return await find(uri, wanted, projects, oldest)
        except (HookfetchError, Refused) as error:
            _log.warning("original not had", reason=str(error))
            return None


def _check(request: Any) -> None:
    # BuildStream asks so, at its start, whether this is a Remote Asset service.
    if not request.uris:
        raise invalid("uris", "must not be empty")
    if len(request.uris) > MAX_URIS:
        raise invalid("uris", f"has at most {MAX_URIS}")
    if any(len(uri) > MAX_URI for uri in request.uris):
        raise invalid("uris", f"each has at most {MAX_URI} characters")
    if request.digest_function not in (0, _SHA256):
        raise invalid("digest_function", "must be SHA256")
    try:
        request.oldest_content_accepted.ToNanoseconds()
    except ValueError as error:
        raise invalid("oldest_content_accepted", "is no time") from error
