"""Elements of a client's own, which no project has: tracked and fetched by their text."""

from dataclasses import dataclass

import grpc

from hookfetch.client.errors import from_rpc
from hookfetch.client.following import OnProgress, result_of
from hookfetch.client.work import Fetched, Tracked, fetched_of, tracked_of
from hookfetch.v1 import sources_pb2, sources_pb2_grpc


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedText:
    """What was found, and the element's `text` with the new refs, in which nothing else differs."""

    tracked: Tracked
    text: str


class Supplied:
    """The calls over `channel` that bring an element, as its .bst file has it. A project says what it
    takes (docs/supplied.md)."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._sources = sources_pb2_grpc.SourceServiceStub(channel)

    async def track(self, project: str, text: str, *, timeout: float | None = None) -> TrackedText:
        """Track the sources in `text` now; `timeout` is in seconds. InvalidRequest names what is not allowed;
        Unavailable, too, when the caller has used up its share; else as `Client.track`."""
        brought = sources_pb2.SuppliedElement(text=text)
        request = sources_pb2.TrackRequest(project=project, supplied=brought)
        try:
            answer = await self._sources.Track(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        return TrackedText(tracked=tracked_of(answer), text=answer.text)

    async def fetch(
        self,
        project: str,
        text: str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Fetched:
        """Return once the source cache holds the sources in `text`, each of which has its ref; errors as in
        `track`, `on_progress` as of `Client.fetch`."""
        brought = sources_pb2.SuppliedElement(text=text)
        request = sources_pb2.FetchRequest(project=project, supplied=brought)
        call = self._sources.Fetch(request, timeout=timeout)
        return fetched_of(await result_of(call, "fetched", on_progress))
