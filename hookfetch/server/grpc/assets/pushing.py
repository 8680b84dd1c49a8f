"""What clients push is passed on to the index servers of their project's source cache, and the answers back.

A name in a cache stands for whatever was pushed last under it: so nobody pushes to a cache who may not push
with every project whose cache it is.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import grpc

from hookfetch.cas.channel import open_for_streams
from hookfetch.cas.protos import remote_asset_pb2_grpc
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import ConfigurationError
from hookfetch.server.grpc.admission.admitted import may_with_all
from hookfetch.server.grpc.errors import Answering, Refused, denied, invalid, unavailable
from hookfetch.server.grpc.readers import Context, Readers

_SECONDS = 60.0  # of a client that sets no deadline
_Method = Literal["PushBlob", "PushDirectory"]
_Servers = tuple[SourceCacheConfig, ...]


class PushServicer(remote_asset_pb2_grpc.PushServicer):  # type: ignore[misc] # generated, without types
    """Passes on to the source cache of a project (`caches`, by project), with hookfetch's credentials."""

    def __init__(self, caches: Mapping[str, Sequence[SourceCacheConfig]], readers: Readers) -> None:
        self._caches: dict[str, _Servers] = {project: tuple(servers) for project, servers in caches.items()}
        self._readers = readers
        self._channels: dict[SourceCacheConfig, grpc.aio.Channel] = {}

    async def PushBlob(self, request: Any, context: Context) -> Any:  # noqa: N802  the contract's name
        """Have every index know a blob."""
        async with Answering(context):
            return await self._push("PushBlob", request, context)

    async def PushDirectory(self, request: Any, context: Context) -> Any:  # noqa: N802  the same
        """Have every index know a directory."""
        async with Answering(context):
            return await self._push("PushDirectory", request, context)

    async def close(self) -> None:
        """Close every connection."""
        channels, self._channels = self._channels, {}
        await asyncio.gather(*(channel.close(None) for channel in channels.values()))

    async def _push(self, method: _Method, request: Any, context: Context) -> Any:
        servers = self._servers(self._readers.projects(context, request.instance_name))
        request.instance_name = ""  # it is hookfetch's
        left = context.time_remaining()
        timeout = _SECONDS if left is None else min(left, _SECONDS)
        answer = None
        try:
            for index in (each for each in servers if each.push and each.is_index):
                answer = await getattr(self._stub(index), method)(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                await self.close()  # or it would be left alone for a while, and asked with old files
            raise Refused(error.code(), error.details() or "") from error
        assert answer is not None  # the configuration has an index that is pushed to
        return answer

    def _servers(self, projects: Collection[str]) -> _Servers:
        found = {self._caches[project] for project in projects if project in self._caches}
        if not found:
            raise Refused(grpc.StatusCode.NOT_FOUND, "no such instance")
        if len(found) > 1:
            raise invalid("instance_name", "must name a project: there are several source caches")
        (servers,) = found
        urls = {each.url for each in servers}
        owners = [name for name, theirs in self._caches.items() if any(each.url in urls for each in theirs)]
        if not may_with_all(owners):
            text = "the source cache is also that of projects that you may not push with"
            raise denied(text, "SCOPE_MISSING", scope="push")
        return servers

    def _stub(self, index: SourceCacheConfig) -> Any:
        channel = self._channels.get(index)
        if channel is None:
            try:
                channel = self._channels[index] = open_for_streams(index)
            except ConfigurationError as error:
                raise unavailable(str(error)) from error
        return remote_asset_pb2_grpc.PushStub(channel)
