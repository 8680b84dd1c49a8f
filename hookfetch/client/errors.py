"""What a call may raise, named by what the caller does next; every text is one line for a person."""

from collections.abc import Iterable
from typing import cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from hookfetch.core.errors import HookfetchError

_DETAILS_KEY = "grpc-status-details-bin"


class ClientError(HookfetchError):
    """Any error of a call."""


class Unavailable(ClientError):
    """No server or no coordinator answered, or too many ask at once: try again later."""


class TimedOut(ClientError):
    """The answer did not come within the caller's own timeout; the work may still go on."""


class Compacted(ClientError):
    """A cursor cannot be resumed from: call `list`, then `watch` from the listing's cursor.

    `oldest_cursor` is before the oldest kept update, None where the server gave none.
    """

    def __init__(self, text: str, oldest_cursor: str | None) -> None:
        super().__init__(text)
        self.oldest_cursor = oldest_cursor


class NotFound(ClientError):
    """The server has no such project, or the project no such element."""


class WorkFailed(ClientError):
    """BuildStream or an upstream refused the element; the text is their reason."""


class InvalidRequest(ClientError):
    """The server cannot use the request; the text names the field."""


class Unauthenticated(ClientError):
    """The server knows nobody by the token or certificate that was shown, or asks for one."""


class Denied(ClientError):
    """The server knows the caller, who may not do this."""


class Unexpected(ClientError):
    """The server failed in a way that it does not promise."""


_BY_CODE: dict[grpc.StatusCode, type[ClientError]] = {
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,  # by the server, when it goes away
    grpc.StatusCode.DEADLINE_EXCEEDED: TimedOut,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: WorkFailed,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: Denied,
}


def from_rpc(error: grpc.aio.AioRpcError) -> ClientError:
    """Return the client's error for a call that ended with another status than OK."""
    text = " ".join((error.details() or "no details").split())
    if error.code() is grpc.StatusCode.OUT_OF_RANGE:
        return Compacted(text, _oldest_cursor(error))
    kind = _BY_CODE.get(error.code())
    return kind(text) if kind is not None else Unexpected(f"{error.code().name}: {text}")


def _oldest_cursor(error: grpc.aio.AioRpcError) -> str | None:
    # The stubs have the synchronous API's metadata here.
    for key, value in cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata()):
        if key != _DETAILS_KEY or not isinstance(value, bytes):
            continue
        try:
            status = status_pb2.Status.FromString(value)
        except DecodeError:
            return None  # what stands between may have cut it: the error says enough without
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and "oldest_cursor" in info.metadata:
                return str(info.metadata["oldest_cursor"])
    return None
