"""A connection to a gateway and the calls over it, typed. It never retries but in `watch`."""

from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import Literal, TypeVar

import grpc

from hookfetch.client.credentials import Credentials, open_channel
from hookfetch.client.errors import from_rpc
from hookfetch.client.feeds import Feeds
from hookfetch.client.following import OnProgress, result_of
from hookfetch.client.jobs import Jobs
from hookfetch.client.operations import Operations
from hookfetch.client.projects import Projects
from hookfetch.client.supplied import Supplied
from hookfetch.client.values import Listing, RefUpdate, update_of
from hookfetch.client.watch import Watch
from hookfetch.client.work import (
    Fetched,
    Located,
    Staged,
    Tracked,
    fetched_of,
    located_of,
    staged_of,
    tracked_of,
)
from hookfetch.v1 import refs_pb2, refs_pb2_grpc, sources_pb2, sources_pb2_grpc

PATIENCE = 60.0  # seconds
LIST_SECONDS = 30.0  # for each page
_PAGE = 1000
_ORIGINS = {"now": refs_pb2.ORIGIN_NOW, "oldest": refs_pb2.ORIGIN_OLDEST}
_OPTIONS = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # The channel's own pauses, no longer than those of a watch.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # this one is a connection attempt's time limit
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

T = TypeVar("T")


class Client:
    """The gateway at `target` (`host:port`), with `credentials` where it asks for them, else without TLS. To
    be made in a running event loop, and closed: `async with Client(target) as client`. `operations` are an
    operator's calls, `feeds`, `projects` and `jobs` those about them. ConfigurationError when the credentials
    cannot be used."""

    def __init__(self, target: str, credentials: Credentials | None = None) -> None:
        self._channel = open_channel(target, credentials or Credentials(), _OPTIONS)
        self._refs = refs_pb2_grpc.RefServiceStub(self._channel)
        self._sources = sources_pb2_grpc.SourceServiceStub(self._channel)
        self.operations = Operations(self._channel)
        self.feeds = Feeds(self._channel)
        self.projects = Projects(self._channel)
        self.jobs = Jobs(self._channel)
        self.supplied = Supplied(self._channel)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every call and the connection."""
        await self._channel.close(None)

    def watch(
        self,
        *,
        projects: Sequence[str] = (),
        elements: Sequence[str] = (),
        cursor: str | None = None,
        start: Literal["now", "oldest"] = "now",
        patience: float = PATIENCE,
    ) -> Watch:
        """Return the updates and alarms after `cursor`, or without one from `start`, as they are announced.

        No project means all, no glob of `elements` (BuildStream's: `**.bst`) every element. It
        reconnects by itself; `patience` is how long it goes without a server, in seconds.
        """
        wanted = refs_pb2.Filter(projects=projects, elements=elements)
        return Watch(self._refs, wanted, cursor=cursor, origin=_ORIGINS[start], patience=patience)

    async def list(self, *, projects: Sequence[str] = (), elements: Sequence[str] = ()) -> Listing:
        """Return the newest update of each element; `projects` and `elements` as in `watch`.

        Unavailable, NotFound or InvalidRequest; TimedOut when a page takes over 30 s.
        """
        request = refs_pb2.ListRequest(
            filter=refs_pb2.Filter(projects=projects, elements=elements), page_size=_PAGE
        )
        updates: list[RefUpdate] = []
        while True:
            page = await _result(self._refs.List(request, timeout=LIST_SECONDS))
            updates.extend(map(update_of, page.updates))
            if not page.next_page_token:
                return Listing(updates=tuple(updates), cursor=page.cursor)
            request.page_token = page.next_page_token

    async def get(self, project: str, element: str) -> RefUpdate:
        """Return the newest update of one element, as `list` has it; NotFound where none is known."""
        request = refs_pb2.GetRequest(project=project, element=element)
        return update_of(await _result(self._refs.Get(request, timeout=LIST_SECONDS)))

    async def locate(self, project: str, element: str) -> Located:
        """Return where an element's sources are, without any work; NotFound, Unavailable, InvalidRequest."""
        request = sources_pb2.LocateRequest(project=project, element=element)
        return located_of(await _result(self._sources.Locate(request, timeout=LIST_SECONDS)))

    async def track(self, project: str, element: str, *, timeout: float | None = None) -> Tracked:
        """Track an element now and return its refs; `timeout` is in seconds.

        WorkFailed with the reason when BuildStream or the upstream refuses; NotFound,
        Unavailable, TimedOut or InvalidRequest.
        """
        request = sources_pb2.TrackRequest(project=project, element=element)
        return tracked_of(await _result(self._sources.Track(request, timeout=timeout)))

    async def fetch(
        self,
        project: str,
        element: str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Fetched:
        """Return once the source cache holds an element's newest announced sources; `timeout`
        and errors as in `track`. `on_progress` is told how the work stands, at once and whenever that
        changes."""
        request = sources_pb2.FetchRequest(project=project, element=element)
        call = self._sources.Fetch(request, timeout=timeout)
        return fetched_of(await result_of(call, "fetched", on_progress))

    async def stage(
        self,
        project: str,
        element: str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Staged:
        """Return the directory in which BuildStream stages an element's newest announced sources, once the
        source cache holds it whole; arguments and errors as of `fetch`."""
        request = sources_pb2.StageRequest(project=project, element=element)
        call = self._sources.Stage(request, timeout=timeout)
        return staged_of(await result_of(call, "staged", on_progress))


async def _result(call: Awaitable[T]) -> T:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error) from error
