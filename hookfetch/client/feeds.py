"""The calls about feeds, what they return as frozen values, and one line of it for a person. It repeats no
call."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import grpc

from hookfetch.client.errors import from_rpc
from hookfetch.client.stories import value_of
from hookfetch.v1 import feeds_pb2 as pb
from hookfetch.v1 import feeds_pb2_grpc

ASK_SECONDS = 10.0  # the gateway gathers answers for 2 s

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What is asked for the archives of an element that hold one version; times are Unix seconds, and all but
    the first two are as in the contract (feeds.proto), None where they are not set there."""

    project: str
    element: str
    current: str | None = None
    kind: str | None = None
    url: str | None = None
    sure: str | None = None
    origin: str | None = None
    why: str | None = None
    last_asked: float | None = None
    next_at: float | None = None
    changed_at: float | None = None
    releases: int = 0
    found: str | None = None
    moved_to: str | None = None
    failing_since: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """Feeds by project, element and version; `silent` projects did not answer. No `next_page_token` on the
    last page."""

    feeds: tuple[Feed, ...] = ()
    next_page_token: str = ""
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """So many feeds are being asked; `at` is the service's clock in Unix seconds when that began."""

    feeds: int = 0
    at: float = 0.0


class Feeds:
    """The calls over a client's channel. Each raises Unavailable, NotFound, WorkFailed, TimedOut or
    InvalidRequest."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = feeds_pb2_grpc.FeedServiceStub(channel)

    async def list(
        self, *, projects: Sequence[str] = (), elements: Sequence[str] = (), after: str = ""
    ) -> FeedPage:
        """Return a page of what is asked for elements; nothing named means all. `after` is the
        `next_page_token` of the page before."""
        request = pb.ListFeedsRequest(projects=projects, elements=elements, page_token=after)
        return value_of(await _result(lambda: self._stub.List(request, timeout=ASK_SECONDS)), FeedPage)

    async def check(self, project: str, elements: Sequence[str] = ()) -> Checking:
        """Have the feeds of elements asked as soon as may be."""
        request = pb.CheckFeedsRequest(project=project, elements=elements)
        return value_of(await _result(lambda: self._stub.Check(request, timeout=ASK_SECONDS)), Checking)


def feed_line(feed: Feed) -> str:
    """Return one line for what is asked for an element."""
    place = f"{feed.project}  {feed.element}  {feed.current or '-'}"
    if feed.url is None:
        return f"{place}  no feed: {feed.why}"
    said = "named by its policy" if feed.origin == "said" else f"{feed.sure}, from {feed.origin}"
    parts = [f"{place}  {feed.kind} {feed.url} ({said})"]
    if feed.found is not None:
        parts.append(f"{feed.found} is there")
    if feed.moved_to is not None:
        parts.append(f"moved to {feed.moved_to}")
    if feed.failing_since is not None:
        parts.append(f"fails since {_clock(feed.failing_since)}: {feed.error}")
    parts.append("not asked yet" if feed.last_asked is None else f"asked {_clock(feed.last_asked)}")
    if feed.next_at is not None:
        parts.append(f"next {_clock(feed.next_at)}")
    return ", ".join(parts)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).isoformat(" ", "seconds")


async def _result(call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await call()
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error) from error
