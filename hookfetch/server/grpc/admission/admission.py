"""Who comes in: stands before every method of every service, and lets a call through or refuses it.

Credentials are looked at before the request is parsed. A call that was let in ends when they no longer hold.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError

from hookfetch.core.access import Caller
from hookfetch.server.access.access import ANONYMOUS, Access, NotKnown, Pass
from hookfetch.server.access.audit import Audit
from hookfetch.server.access.bounds import Bounds, TooMuch
from hookfetch.server.grpc.admission import admitted
from hookfetch.server.grpc.admission.admitted import Admitted
from hookfetch.server.grpc.admission.credentials import address, certificate_names, host, token
from hookfetch.server.grpc.admission.methods import RULES, Rule
from hookfetch.server.grpc.admission.permission import named_by, permit
from hookfetch.server.grpc.errors import Answering, Refused, denied, over_quota, unauthenticated

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Any  # grpc.RpcMethodHandler: its stubs lack the attributes

_NOBODY = Pass(Caller(ANONYMOUS, ()))
# The context has a status by its number, or as it was given.
_CODES: Mapping[Any, grpc.StatusCode] = {
    form: code for code in grpc.StatusCode for form in (code, code.value[0])
}
_REFUSALS = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})


@dataclass(slots=True, kw_only=True)
class _Call:
    """One call, as far as it came. `passed` is None until the caller is known, `entered` whether the servicer
    has it."""

    method: str
    rule: Rule | None
    peer: str
    passed: Pass | None = None
    entered: bool = False
    projects: Sequence[str] = ()
    element: str = ""


@dataclass(eq=False, slots=True)
class _Running:
    """A call whose credentials have to hold, and what ends it."""

    passed: Pass
    end: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))


class Admission(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # generic in the stubs alone
    """Lets in callers whom `access` knows, to do with `projects` what they may, within `bounds`."""

    def __init__(self, access: Access, bounds: Bounds, audit: Audit, projects: Collection[str]) -> None:
        self._access = access
        self._bounds = bounds
        self._audit = audit
        self._projects = projects
        self._running: set[_Running] = set()

    def recheck(self) -> None:
        """End the calls of those who would not be let in again."""
        now = asyncio.get_running_loop().time()
        for call in [each for each in self._running if not self._access.holds(each.passed)]:
            self._running.discard(call)
            call.end.reschedule(now)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Return what answers the call, None for a method that nobody serves."""
        inner = await continuation(handler_call_details)
        return None if inner is None else self._guarded(inner, handler_call_details.method)

    def _guarded(self, inner: Handler, method: str) -> Handler:
        async def one(raw: Any, context: Context) -> Any:
            async with self._let_in(method, context) as call:
                behave = inner.stream_unary if inner.request_streaming else inner.unary_unary
                return await behave(self._permitted(inner, raw, call), context)

        async def many(raw: Any, context: Context) -> None:
            async with self._let_in(method, context) as call:
                behave = inner.stream_stream if inner.request_streaming else inner.unary_stream
                answers = behave(self._permitted(inner, raw, call), context)
                if not hasattr(answers, "__aiter__"):  # one that writes for itself
                    await answers
                    return
                # Written here, not handed on, so that the whole call is within `_let_in`.
                async with aclosing(answers):
                    async for answer in answers:
                        await context.write(answer)

        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[inner.request_streaming, inner.response_streaming]
        # Without a deserializer: nothing that a stranger sends is parsed.
        return cast("Any", make)(many if inner.response_streaming else one, None, inner.response_serializer)

    @asynccontextmanager
    async def _let_in(self, method: str, context: Context) -> AsyncIterator[_Call]:
        """Have a caller's call run, within bounds and as long as it may; tell of it when it has ended."""
        call = _Call(method=method, rule=RULES.get(method), peer=address(context))
        code = grpc.StatusCode.UNKNOWN  # what gRPC answers to an exception
        try:
            async with Answering(context):
                passed = self._identify(call, context)
                with self._counted(call, passed):
                    async with self._while_it_holds(passed):
                        yield call
            code = grpc.StatusCode.OK
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except grpc.aio.AbortError:
            code = _CODES[context.code()]
            raise
        finally:
            self._tell(call, code, context.details() or "")

    def _identify(self, call: _Call, context: Context) -> Pass:
        if call.rule is None:
            raise denied(f"nobody may call {call.method}: it has no rule", "METHOD_CLOSED")
        if call.rule.public:
            call.passed = _NOBODY
        else:
            try:
                call.passed = self._access.identify(token(context), certificate_names(context))
            except NotKnown as error:
                raise unauthenticated(str(error)) from None
        admitted.current.set(Admitted(call.passed.caller, call.rule.scope))
        return call.passed

    @contextmanager
    def _counted(self, call: _Call, passed: Pass) -> Iterator[None]:
        # Of those who show nothing, one must not use up what is there for all.
        who = passed.caller.name if passed.named else f"{ANONYMOUS} {host(call.peer)}"
        work = call.rule is not None and call.rule.work
        try:
            self._bounds.enter(who, work=work)
        except TooMuch as error:
            raise over_quota(str(error), f"caller:{who}") from None
        try:
            yield
        finally:
            self._bounds.leave(who, work=work)

    @asynccontextmanager
    async def _while_it_holds(self, passed: Pass) -> AsyncIterator[None]:
        running = _Running(passed)
        self._running.add(running)
        try:
            async with running.end:
                yield
        except TimeoutError:
            if not running.end.expired():
                raise
            raise unauthenticated("the token or certificate no longer holds") from None
        finally:
            self._running.discard(running)

    def _permitted(self, inner: Handler, raw: Any, call: _Call) -> Any:
        """Return the request if the caller may make it."""
        assert call.rule is not None
        assert call.passed is not None
        parse = inner.request_deserializer
        if inner.request_streaming:
            permit(call.rule, call.passed.caller, (), self._projects)
            request = raw if parse is None else _parsed_each(parse, raw)
        else:
            request = raw if parse is None else _parsed(parse, raw)
            call.projects = named_by(call.rule, request)
            call.element = str(getattr(request, "element", "") or getattr(request, "elements", ""))
            permit(call.rule, call.passed.caller, call.projects, self._projects)
        call.entered = True
        return request

    def _tell(self, call: _Call, code: grpc.StatusCode, text: str) -> None:
        caller = call.passed.caller.name if call.passed is not None else None
        if code is not grpc.StatusCode.OK and (not call.entered or code in _REFUSALS):
            self._audit.refused(
                caller=caller, peer=call.peer, method=call.method, projects=call.projects, reason=text
            )
        elif call.rule is not None and call.rule.work:
            self._audit.done(
                caller=caller,
                peer=call.peer,
                method=call.method,
                projects=call.projects,
                element=call.element,
                outcome=code.name,
            )


def _parsed(parse: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return parse(raw)
    except DecodeError as error:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "the request is no message of this method") from error


async def _parsed_each(parse: Callable[[bytes], Any], raws: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for raw in raws:
        yield _parsed(parse, raw)
