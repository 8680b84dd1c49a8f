"""Why a call is refused, in google.rpc's rich error model. The one place that ends calls so."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from hookfetch.core.errors import Temporary

_DOMAIN = "hookfetch"
_DETAILS_KEY = "grpc-status-details-bin"
# A client takes 8 KiB of trailers by default; the message stands in them twice, once percent-encoded.
_MAX_TEXT = 1000
_MAX_METADATA = 2048
_RETRY_SECONDS = 1.0


class Refused(Exception):
    """A call ends with `code`; the text is one line for a person, `details` are for programs."""

    def __init__(self, code: grpc.StatusCode, text: str, *details: Message) -> None:
        super().__init__(text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…")
        self.code = code
        self.details: Sequence[Message] = details


def invalid(field: str, reason: str) -> Refused:
    """Return the refusal of a request whose `field` cannot be used."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=reason)
    detail = error_details_pb2.BadRequest(field_violations=[violation])
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, f"{field}: {reason}", detail)


def not_found(kind: str, name: str, text: str) -> Refused:
    """Return the refusal for a `kind` (`project`, `element`) that is not there."""
    detail = error_details_pb2.ResourceInfo(
        resource_type=f"hookfetch.v1/{kind}", resource_name=name[:_MAX_TEXT], description=text[:_MAX_TEXT]
    )
    return Refused(grpc.StatusCode.NOT_FOUND, text, detail)


def failed(reason: str, text: str) -> Refused:
    """Return the refusal for work that BuildStream or an upstream refused; `reason` is for programs."""
    detail = error_details_pb2.ErrorInfo(reason=reason, domain=_DOMAIN)
    return Refused(grpc.StatusCode.FAILED_PRECONDITION, text, detail)


def unavailable(text: str, seconds: float | None = None) -> Refused:
    """Return the refusal of a call that is worth trying again, `seconds` later."""
    return Refused(grpc.StatusCode.UNAVAILABLE, text, _retry(seconds or _RETRY_SECONDS))


def exhausted(text: str) -> Refused:
    """Return the refusal of a call that is one too many."""
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, _retry(_RETRY_SECONDS))


def unauthenticated(text: str) -> Refused:
    """Return the refusal of a call by nobody who is known."""
    detail = error_details_pb2.ErrorInfo(reason="CREDENTIALS_NOT_ACCEPTED", domain=_DOMAIN)
    return Refused(grpc.StatusCode.UNAUTHENTICATED, text, detail)


def denied(text: str, reason: str, **metadata: str) -> Refused:
    """Return the refusal of what a caller may not do; `reason` and `metadata` are for programs."""
    detail = error_details_pb2.ErrorInfo(reason=reason, domain=_DOMAIN, metadata=metadata)
    return Refused(grpc.StatusCode.PERMISSION_DENIED, text, detail)


def over_quota(text: str, subject: str, seconds: float = _RETRY_SECONDS) -> Refused:
    """Return the refusal of a call beyond what `subject` may have; it may come again in `seconds`."""
    violation = error_details_pb2.QuotaFailure.Violation(subject=subject, description=text)
    quota = error_details_pb2.QuotaFailure(violations=[violation])
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, _retry(seconds), quota)


def compacted(oldest_cursor: str) -> Refused:
    """Return the refusal of a cursor that cannot be resumed from."""
    metadata = {"oldest_cursor": oldest_cursor} if len(oldest_cursor) <= _MAX_METADATA else {}
    detail = error_details_pb2.ErrorInfo(reason="CURSOR_COMPACTED", domain=_DOMAIN, metadata=metadata)
    text = "entries after this cursor are no longer kept, or it belongs to another log: List, then Watch"
    return Refused(grpc.StatusCode.OUT_OF_RANGE, text, detail)


def _retry(seconds: float) -> error_details_pb2.RetryInfo:
    delay = Duration()
    delay.FromMilliseconds(round(seconds * 1000))
    return error_details_pb2.RetryInfo(retry_delay=delay)


class Answering:
    """Ends the call with the status of a Refused, or UNAVAILABLE for a Temporary, raised within."""

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._context = context

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Refused):
            await _abort(self._context, error)
        elif isinstance(error, Temporary):
            await _abort(self._context, unavailable(str(error)))


async def _abort(context: grpc.aio.ServicerContext[Any, Any], refusal: Refused) -> None:
    packed = []
    for detail in refusal.details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    code: int = refusal.code.value[0]
    status = status_pb2.Status(code=code, message=str(refusal), details=packed)
    await context.abort(
        refusal.code, str(refusal), trailing_metadata=((_DETAILS_KEY, status.SerializeToString()),)
    )
