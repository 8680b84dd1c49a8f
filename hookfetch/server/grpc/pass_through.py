"""Reading calls to the storage pass through to it, message by message, so that hookfetch can be a client's
one address (`type: all`). No message is made again; an instance name, which is hookfetch's, is taken out.

Each message waits until the one before it was taken: neither side is read faster than the other reads.
"""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog

from hookfetch.cas.channel import open_for_streams
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import ConfigurationError
from hookfetch.server.grpc.errors import Answering, Refused, exhausted, unavailable
from hookfetch.server.grpc.first_field import first_text, without_instance
from hookfetch.server.grpc.readers import Context, Readers

_log = structlog.get_logger(__name__)

MOST_STREAMS = 500
_CALL_SECONDS = 3600.0  # of a client that sets no deadline
_REPEX = "build.bazel.remote.execution.v2"
_STORAGE = f"/{_REPEX}.ContentAddressableStorage/"
SERVICES = (f"{_REPEX}.ContentAddressableStorage", f"{_REPEX}.Capabilities", "google.bytestream.ByteStream")
_READING = frozenset(
    {
        *(f"{_STORAGE}{name}" for name in ("FindMissingBlobs", "BatchReadBlobs", "GetTree")),
        f"/{_REPEX}.Capabilities/GetCapabilities",
        "/google.bytestream.ByteStream/Read",
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
        if method not in _READING:
            text = "nothing is written through hookfetch: leave out `push`, or name the storage itself"
            raise Refused(grpc.StatusCode.PERMISSION_DENIED, text)
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
        # Each reading method has one request, which says whom it is for.
        request = await anext(aiter(requests), b"")
        whole = method.startswith("/google.bytestream.")
        instance = first_text(request).partition("/blobs/")[0] if whole else first_text(request)
        if whole and instance.startswith("blobs/"):
            instance = ""
        if not self._readers.projects(context, instance):
            raise Refused(grpc.StatusCode.NOT_FOUND, "no such instance")
        if self._channel is None:
            try:
                self._channel = open_for_streams(self._storage)
            except ConfigurationError as error:
                raise unavailable(str(error)) from error
        left = context.time_remaining()
        timeout = _CALL_SECONDS if left is None else min(left, _CALL_SECONDS)
        if instance:
            request = without_instance(request, instance)
        passing = self._channel.stream_stream(method, None, None)
        return passing(_once(request), timeout=timeout)


async def _once(request: bytes) -> AsyncIterator[bytes]:
    yield request
