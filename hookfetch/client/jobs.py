"""Calls about jobs: how the job of an element stands, and its end. It repeats no call."""

from collections.abc import AsyncIterator

import grpc

from hookfetch.client.errors import from_rpc
from hookfetch.client.work import JobProgress, progress_of
from hookfetch.v1 import jobs_pb2, jobs_pb2_grpc

COMMAND_SECONDS = 60.0


class Jobs:
    """The calls over a client's channel. Each raises Unavailable, NotFound, TimedOut or InvalidRequest."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = jobs_pb2_grpc.JobServiceStub(channel)

    async def watch(
        self, project: str, element: str, *, timeout: float | None = None
    ) -> AsyncIterator[JobProgress]:
        """Yield how the open job of an element stands, at once and whenever that changes, until it is over.

        NotFound when the element has none (any more).
        """
        call = self._stub.Watch(jobs_pb2.WatchJobRequest(project=project, element=element), timeout=timeout)
        try:
            async for response in call:
                yield progress_of(response.progress)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        finally:
            call.cancel()

    async def cancel(self, project: str, element: str) -> None:
        """End the open jobs of an element; WorkFailed, too, when it has none."""
        request = jobs_pb2.CancelJobRequest(project=project, element=element)
        try:
            await self._stub.Cancel(request, timeout=COMMAND_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
