"""Calls to the storage pass through to it, message by message, so that hookfetch can be a client's one
address (`type: all`). No message is made again; an instance name, which is hookfetch's, is taken out.

Each message waits until the one before it was taken: neither side is read faster than the other reads.
"""

import re
from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog

from hookfetch.cas.channel import open_for_streams
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import ConfigurationError
from hookfetch.server.grpc.assets.first_field import first_text, without_instance
from hookfetch.server.grpc.errors import Answering, Refused, exhausted, unavailable
from hookfetch.server.grpc.readers import Context, Readers

_log = structlog.get_logger(__name__)

MOST_STREAMS = 500
_CALL_SECONDS = 3600.0  # of a client that sets no deadline
_REPEX = "build.bazel.remote.execution.v2"
_STORAGE = f"/{_REPEX}.ContentAddressableStorage/"
SERVICES = (f"{_REPEX}.ContentAddressableStorage", f"{_REPEX}.Capabilities", "google.bytestream.ByteStream")
_RESOURCE = re.compile(r"(?P<instance>(?!blobs/|uploads/).+?)/(?:blobs|uploads)/")
_STREAM = "/google.bytestream.ByteStream/"
# Who may call which, the table of methods says.
_PASSED = frozenset(
    {
        *(
            f"{_STORAGE}{name}"
            for name in ("FindMissingBlobs", "BatchReadBlobs", "GetTree", "BatchUpdateBlobs")
        ),
        f"/{_REPEX}.Capabilities/GetCapabilities",
        *(f"{_STREAM}{name}" for name in ("Read", "Write", "QueryWriteStatus")),
    }
)


class PassThrough(grpc.GenericRpcHandler):  # type: ignore[type-arg] # generic in the stubs alone
    """Passes calls on to `storage`, for callers who may read anything at all."""

    def __init__(self, storage: SourceCacheConfig, readers: Readers) -> None:
        self._storage = storage
        self._readers = readers
        self._channel: grpc.aio.Channel | None = None
        self._streams = 0

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Return the handler of a storage's method, None for a method of another service."""
        method = details.method
        if method[1:].partition("/")[0] not in SERVICES:
            return None

        async def handle(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            async with Answering(context):
                async for answer in self._pass(method, requests, context):
                    yield answer

        # On the wire a unary call is a stream of one message: one handler does for all.
        return grpc.stream_stream_rpc_method_handler(handle)

    async def close(self) -> None:
        """Close the connection; what still passes through ends."""
        if self._channel is not None:
            await self._channel.close(None)
            self._channel = None

    async def _pass(
        self, method: str, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        if method not in _PASSED:
            raise Refused(grpc.StatusCode.UNIMPLEMENTED, "does not pass through hookfetch")
        if self._streams >= MOST_STREAMS:
            raise exhausted(f"{MOST_STREAMS} calls pass through already")
        self._streams += 1
        try:
            call = await self._call(method, requests, context)
            try:
                async for answer in call:
                    yield answer
            except grpc.aio.AioRpcError as error:
                raise Refused(error.code(), error.details() or "") from error
            finally:
                call.cancel()  # of a client who left; nothing happens to one that has ended
        finally:
            self._streams -= 1

    async def _call(self, method: str, requests: AsyncIterator[bytes], context: Context) -> Any:
        # The first request says whom all are for; only a Write has more than one.
        request = await anext(aiter(requests), b"")
        text = first_text(request)
        instance = _instance_of(text) if method.startswith(_STREAM) else text
        if not self._readers.projects(context, instance):
            raise Refused(grpc.StatusCode.NOT_FOUND, "no such instance")
        if self._channel is None:
            try:
                self._channel = open_for_streams(self._storage)
            except ConfigurationError as error:
                raise unavailable(str(error)) from error
        left = context.time_remaining()
        timeout = _CALL_SECONDS if left is None else min(left, _CALL_SECONDS)
        passing = self._channel.stream_stream(method, None, None)
        return passing(_for_storage(request, requests, instance), timeout=timeout)


def _instance_of(resource: str) -> str:
    """Return the instance name before a stream's resource: `<instance>/blobs/…`, `<instance>/uploads/…`."""
    found = _RESOURCE.match(resource)
    return "" if found is None else found["instance"]


async def _for_storage(first: bytes, more: AsyncIterator[bytes], instance: str) -> AsyncIterator[bytes]:
    yield without_instance(first, instance) if instance else first
    async for request in more:
        # A Write may name what it writes in each request again.
        named = instance and first_text(request).startswith(f"{instance}/")
        yield without_instance(request, instance) if named else request
