"""A watch that outlives its connection: it comes back with its last cursor, so that nothing is
missed and nothing comes twice."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType

import grpc

from hookfetch.client.errors import Unavailable, from_rpc
from hookfetch.client.values import Alarm, RefUpdate, Settlement, alarm_of, settlement_of, update_of
from hookfetch.v1 import refs_pb2, refs_pb2_grpc

Entry = RefUpdate | Alarm | Settlement

FIRST_PAUSE = 0.1  # seconds, doubled up to:
MOST_PAUSE = 5.0
# A stream that ends so may go on at the next try; INTERNAL and UNKNOWN are what a connection
# that breaks in the middle of a message looks like.
_AGAIN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)


class Watch(AsyncIterator[Entry]):
    """Iterate over it for updates, alarms and settlements; leave it by `aclose`, or use it as a context
    manager.

    Iterating raises Unavailable when no server was heard for `patience` seconds, Compacted
    when the place it would come back to is no longer kept, and NotFound or InvalidRequest for
    a request that the server cannot use.
    """

    def __init__(
        self,
        stub: "refs_pb2_grpc.RefServiceAsyncStub",  # a type of the stub file alone
        wanted: refs_pb2.Filter,
        *,
        cursor: str | None,
        origin: refs_pb2.Origin.ValueType,
        patience: float,
    ) -> None:
        self._stub = stub
        self._wanted = wanted
        self._cursor = cursor
        self._origin = origin
        self._patience = patience
        self._updates = self._run()

    @property
    def cursor(self) -> str | None:
        """Return the newest cursor that the server gave, also while no update is wanted; None
        before the first. What it stands before was iterated over."""
        return self._cursor

    async def __anext__(self) -> Entry:
        return await anext(self._updates)

    async def aclose(self) -> None:
        """End the stream."""
        await self._updates.aclose()

    async def __aenter__(self) -> "Watch":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self) -> AsyncGenerator[Entry, None]:
        loop = asyncio.get_running_loop()
        lost: float | None = loop.time()  # when the server was last given up, by the loop's clock
        pause = FIRST_PAUSE
        while True:
            call = self._stub.Watch(self._request())
            reason = "the stream ended"
            try:
                async for response in call:
                    lost, pause = None, FIRST_PAUSE
                    update = self._move(response)
                    if update is not None:
                        yield update
            except grpc.aio.AioRpcError as error:
                if error.code() not in _AGAIN:
                    raise from_rpc(error) from error
                reason = str(from_rpc(error))
            finally:
                call.cancel()
            now = loop.time()
            lost = now if lost is None else lost
            if now - lost >= self._patience:
                raise Unavailable(f"no server for {self._patience:g} s: {reason}")
            # Watchers that lost one gateway together do not come to the next one together.
            await asyncio.sleep(min(pause * random.uniform(0.5, 1.0), lost + self._patience - now))  # noqa: S311  no secret
            pause = min(pause * 2, MOST_PAUSE)

    def _request(self) -> refs_pb2.WatchRequest:
        if self._cursor is not None:
            return refs_pb2.WatchRequest(filter=self._wanted, cursor=self._cursor)
        return refs_pb2.WatchRequest(filter=self._wanted, origin=self._origin)

    def _move(self, response: refs_pb2.WatchResponse) -> Entry | None:
        """Move the cursor on and return the entry in `response`, if it is one."""
        match response.WhichOneof("event"):
            case "update":
                self._cursor = response.update.cursor
                return update_of(response.update)
            case "alarm":
                self._cursor = response.alarm.cursor
                return alarm_of(response.alarm)
            case "settlement":
                self._cursor = response.settlement.cursor
                return settlement_of(response.settlement)
            case "progress":
                self._cursor = response.progress.cursor
                return None
            case _:
                return None  # an event of a later version; its cursor comes with the next known one
