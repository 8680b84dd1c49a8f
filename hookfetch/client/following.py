"""Calls that answer with a stream: how the work stands, and at last its result."""

from collections.abc import Callable
from typing import Any

import grpc

from hookfetch.client.errors import Unexpected, from_rpc
from hookfetch.client.work import JobProgress, progress_of

OnProgress = Callable[[JobProgress], None]


async def result_of(
    call: "grpc.aio.UnaryStreamCall[Any, Any]", field: str, on_progress: OnProgress | None
) -> Any:
    """Return the message that stands in `field` of the last response of `call`, having told of progress.

    The client's errors. The call has ended afterwards, however that was.
    """
    try:
        async for response in call:
            event = response.WhichOneof("event")
            if event == field:
                return getattr(response, field)
            if event == "progress" and on_progress is not None:
                on_progress(progress_of(response.progress))
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error) from error
    finally:
        call.cancel()
    raise Unexpected("the server ended the call without a result")
