"""Clients' requests on their way to coordinators, and the replies back. At most `limit` wait at once."""

import asyncio
import secrets
from collections.abc import Callable

import structlog

from hookfetch.core.asset_requests import SourcesRequested
from hookfetch.core.codec import dump_event, load_reply
from hookfetch.core.errors import Temporary
from hookfetch.core.events import (
    CancelRequested,
    FetchRequested,
    PauseRequested,
    ReleaseRequested,
    RequestWithdrawn,
    ResumeRequested,
    RetryRequested,
    TrackRequested,
)
from hookfetch.core.jobs import Reply
from hookfetch.core.ports import Bus, Inbox, Message
from hookfetch.server.grpc.errors import exhausted, unavailable

_log = structlog.get_logger(__name__)

MAX_PENDING = 1000
# A job has less than 30 minutes; who waits longer waits for a coordinator that will not answer.
ANSWER_SECONDS = 1800.0

Request = (
    TrackRequested
    | FetchRequested
    | SourcesRequested
    | PauseRequested
    | ResumeRequested
    | RetryRequested
    | ReleaseRequested
    | CancelRequested
)


class Requests:
    """Asks coordinators over `bus`; replies come to an inbox that `open` opens."""

    def __init__(self, bus: Bus, *, limit: int = MAX_PENDING, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._bus = bus
        self._limit = limit
        self._answer_seconds = answer_seconds
        self._pending: dict[str, asyncio.Future[Reply]] = {}
        self._inbox: Inbox | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> int:
        """Return how many requests wait for their reply."""
        return len(self._pending)

    async def open(self) -> None:
        """Open the inbox; Temporary when the bus is not there."""
        self._inbox = await self._bus.inbox(self._take)

    async def close(self) -> None:
        """Leave the inbox; who still waits is told that no answer comes."""
        if self._inbox is not None:
            await self._inbox.cancel()
            self._inbox = None
        for future in self._pending.values():
            if not future.done():
                future.set_exception(unavailable("the gateway is going away"))
        await asyncio.gather(*self._leaving)

    async def ask(self, project: str, make: Callable[[str, str], Request]) -> Reply:
        """Send what `make` makes of a request id and a reply address; return the reply.

        Temporary when the bus has no way to the coordinator; Refused when too many wait
        already or no reply came in time. A cancelled caller leaves nothing behind here, nor with the
        coordinator a job that has not begun and is for nobody else.
        """
        if self._inbox is None:
            raise unavailable("the gateway is not ready")
        if len(self._pending) >= self._limit:
            raise exhausted(f"{self._limit} requests wait already")
        request_id = secrets.token_hex(16)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = future
        try:
            async with asyncio.timeout(self._answer_seconds):
                event = make(request_id, self._inbox.address)
                await self._bus.publish_event(project, Message(id=request_id, body=dump_event(event)))
                return await future
        except asyncio.CancelledError:
            leaving = asyncio.create_task(self._withdraw(project, request_id))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            raise
        except TimeoutError:
            text = f"no coordinator of {project!r} answered within {self._answer_seconds:g} s"
            raise unavailable(text) from None
        finally:
            del self._pending[request_id]

    async def _withdraw(self, project: str, request_id: str) -> None:
        event = RequestWithdrawn(id=f"{request_id}/withdrawn", request_id=request_id)
        try:
            await self._bus.publish_event(project, Message(id=event.id, body=dump_event(event)))
        except Temporary as error:  # it is then done for nobody
            _log.info("not withdrawn", request_id=request_id, reason=str(error))

    async def _take(self, message: Message) -> None:
        reply = load_reply(message.body)
        future = self._pending.get(reply.request_id)
        # Nobody waits for the reply of a caller that left, nor for a repeated one.
        if future is not None and not future.done():
            future.set_result(reply)
