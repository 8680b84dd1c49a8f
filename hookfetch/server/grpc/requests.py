"""Clients' requests on their way to coordinators; progress and replies back. At most `limit` wait at once."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import structlog

from hookfetch.core.asset_requests import LookRequested, SourcesRequested
from hookfetch.core.codec import dump_event, load_reply
from hookfetch.core.errors import Temporary
from hookfetch.core.events import FetchRequested, RequestWithdrawn, TrackRequested
from hookfetch.core.job_requests import ReloadRequested, WatchRequested
from hookfetch.core.jobs import Progress, Reply
from hookfetch.core.operator_requests import (
    CancelRequested,
    PauseRequested,
    ReleaseRequested,
    ResumeRequested,
    RetryRequested,
)
from hookfetch.core.ports import Bus, Inbox, Message
from hookfetch.core.supplied_requests import SuppliedRequested
from hookfetch.server.grpc.errors import Refused, exhausted, unavailable

_log = structlog.get_logger(__name__)

MAX_PENDING = 1000
# A job has less than 30 minutes; who waits longer waits for a coordinator that will not answer.
ANSWER_SECONDS = 1800.0
# Between two looks at whether replies still come to the address that they are sent to.
LOOK_SECONDS = 2.0
_AGAIN_AFTER = 1.0

Request = (
    TrackRequested
    | FetchRequested
    | SourcesRequested
    | LookRequested
    | SuppliedRequested
    | WatchRequested
    | ReloadRequested
    | PauseRequested
    | ResumeRequested
    | RetryRequested
    | ReleaseRequested
    | CancelRequested
)


class _Waiting:
    """One who waits: what it has not been told yet, of its job's progress but the newest."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.end: Reply | Refused | None = None
        self.news = asyncio.Event()

    def tell(self, progress: Progress) -> None:
        self.progress = progress
        self.news.set()

    def finish(self, end: Reply | Refused) -> None:
        self.end = self.end or end
        self.news.set()


class _Quiet(Exception):
    """Nothing more is told of work, or can be."""


class Requests:
    """Asks coordinators over `bus`; replies come to an inbox that `open` opens."""

    def __init__(
        self,
        bus: Bus,
        *,
        limit: int = MAX_PENDING,
        answer_seconds: float = ANSWER_SECONDS,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._bus = bus
        self._limit = limit
        self._answer_seconds = answer_seconds
        self._look_seconds = look_seconds
        self._pending: dict[str, _Waiting] = {}
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
        for waiting in self._pending.values():
            waiting.finish(unavailable("the gateway is going away"))
        await asyncio.gather(*self._leaving)

    async def ask(self, project: str, make: Callable[[str, str], Request]) -> Reply:
        """Send what `make` makes of a request id and a reply address; return the reply. Errors as of
        `follow`."""
        async with aclosing(self.follow(project, make)) as told:
            async for each in told:
                if isinstance(each, Reply):
                    return each
        raise AssertionError("it ends with a reply or an error")

    async def follow(
        self, project: str, make: Callable[[str, str], Request], *, quiet: float | None = None
    ) -> AsyncGenerator[Progress | Reply, None]:
        """Send what `make` makes of a request id and a reply address; yield how the work for it stands,
        whenever that changes, and the reply at last. Who is slow is told the newest alone. With `quiet` it
        also ends, without a reply, once nothing more was told for so many seconds.

        Temporary when the bus has no way to the coordinator; Refused when too many wait
        already, no reply came in time, or the bus was away and may have lost it: with `quiet` it ends then
        as when nothing more was told. A caller that leaves before the reply leaves nothing behind here,
        nor with the coordinator a job that has not begun and is for nobody else.
        """
        if self._inbox is None:
            raise unavailable("the gateway is not ready")
        if len(self._pending) >= self._limit:
            raise exhausted(f"{self._limit} requests wait already")
        request_id = secrets.token_hex(16)
        waiting = self._pending[request_id] = _Waiting()
        deadline = asyncio.get_running_loop().time() + self._answer_seconds
        try:
            async with asyncio.timeout_at(deadline):
                address = self._inbox.address
                event = make(request_id, address)
                await self._bus.publish_event(project, Message(id=request_id, body=dump_event(event)))
            async with aclosing(self._heard(waiting, address, deadline, quiet)) as heard:
                async for progress in heard:
                    yield progress
            if isinstance(waiting.end, Refused):
                raise waiting.end
            assert waiting.end is not None
            yield waiting.end
        except _Quiet:
            self._leave(project, request_id, waiting)
        except (asyncio.CancelledError, GeneratorExit, Refused):
            self._leave(project, request_id, waiting)
            raise
        except TimeoutError:
            self._leave(project, request_id, waiting)
            text = f"no coordinator of {project!r} answered within {self._answer_seconds:g} s"
            raise unavailable(text) from None
        finally:
            del self._pending[request_id]

    async def _heard(
        self, waiting: _Waiting, address: str, deadline: float, quiet: float | None
    ) -> AsyncGenerator[Progress, None]:
        """Yield what is told of the work until its end is; TimeoutError by the loop's time `deadline` when
        nothing was, _Quiet as `follow` has it, Refused when replies to `address` come here no more."""
        until = deadline
        while waiting.end is None:
            if self._inbox is not None and self._inbox.address != address:
                if quiet is not None:
                    raise _Quiet
                raise unavailable("the bus was away, and the reply may be lost with it", _AGAIN_AFTER)
            try:
                async with asyncio.timeout_at(min(until, _in(self._look_seconds))):
                    await waiting.news.wait()
            except TimeoutError:
                if _in(0.0) < until:
                    continue
                if until == deadline:
                    raise
                raise _Quiet from None
            waiting.news.clear()
            if quiet is not None:
                until = _in(quiet)
            progress, waiting.progress = waiting.progress, None
            if progress is not None:
                yield progress

    def _leave(self, project: str, request_id: str, waiting: _Waiting) -> None:
        if waiting.end is None:
            leaving = asyncio.create_task(self._withdraw(project, request_id))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _withdraw(self, project: str, request_id: str) -> None:
        event = RequestWithdrawn(id=f"{request_id}/withdrawn", request_id=request_id)
        try:
            await self._bus.publish_event(project, Message(id=event.id, body=dump_event(event)))
        except Temporary as error:  # it is then done for nobody
            _log.info("not withdrawn", request_id=request_id, reason=str(error))

    async def _take(self, message: Message) -> None:
        told = load_reply(message.body)
        # Nobody waits for what is told to a caller that left, nor for a repeated reply.
        if isinstance(told, Progress):
            for request_id in told.request_ids:
                if (waiting := self._pending.get(request_id)) is not None:
                    waiting.tell(told)
        elif (waiting := self._pending.get(told.request_id)) is not None:
            waiting.finish(told)


def _in(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds
