"""RefService: watchers and listings over the log window. It asks nobody: no coordinator need be there."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import grpc

from hookfetch.server.grpc.admission.admitted import visible
from hookfetch.server.grpc.checks import named, no_such_project, served
from hookfetch.server.grpc.cursors import BadCursor, dump_cursor, load_cursor
from hookfetch.server.grpc.errors import Answering, compacted, invalid, not_found, unavailable
from hookfetch.server.grpc.filters import MAX_PROJECTS, BadFilter, Filter
from hookfetch.server.grpc.log_window import Compacted, LogWindow
from hookfetch.server.grpc.messages import watch_response
from hookfetch.server.grpc.reader import Reader
from hookfetch.v1 import refs_pb2

PROGRESS_SECONDS = 30.0
READY_SECONDS = 10.0
DEFAULT_PAGE = 100
MAX_PAGE = 1000
MAX_PAGE_BYTES = 2 * 1024 * 1024  # half of what a gRPC client takes by default
_MAX_PAGE_TOKEN = 128 * 1024
_SCAN = 500  # entries looked at before other tasks get their turn

Context = grpc.aio.ServicerContext[Any, Any]


class RefServicer:
    """Serves the window's refs of `projects`; a quiet watcher hears of its progress every
    `progress_seconds`."""

    def __init__(
        self, window: LogWindow, projects: Iterable[str], *, progress_seconds: float = PROGRESS_SECONDS
    ) -> None:
        self._window = window
        self._projects = frozenset(projects)
        self._progress_seconds = progress_seconds

    def handlers(self) -> "grpc.GenericRpcHandler[Any, Any]":
        """Return the service's methods. Watch gives bytes, since its responses are serialised
        once for all watchers; so generated registration does not fit."""
        service = refs_pb2.DESCRIPTOR.services_by_name["RefService"].full_name
        return grpc.method_handlers_generic_handler(
            service,
            {
                "Watch": grpc.unary_stream_rpc_method_handler(
                    self.watch, request_deserializer=refs_pb2.WatchRequest.FromString
                ),
                "List": grpc.unary_unary_rpc_method_handler(
                    self.list,
                    request_deserializer=refs_pb2.ListRequest.FromString,
                    response_serializer=refs_pb2.ListResponse.SerializeToString,
                ),
                "Get": grpc.unary_unary_rpc_method_handler(
                    self.get,
                    request_deserializer=refs_pb2.GetRequest.FromString,
                    response_serializer=refs_pb2.RefUpdate.SerializeToString,
                ),
            },
        )

    async def watch(self, request: refs_pb2.WatchRequest, context: Context) -> AsyncIterator[bytes]:
        """Yield serialised WatchResponses until the client leaves or the gateway closes."""
        async with Answering(context):
            wanted = self._filter(request.filter)
            await self._ready()
            try:
                async for response in self._responses(self._reader(request, wanted)):
                    yield response
            except Compacted:
                oldest = dump_cursor(self._window.oldest(wanted.projects).values())
                raise compacted(oldest) from None

    async def _responses(self, reader: Reader) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        due: float | None = None  # when to tell of progress, by the loop's clock; None: as soon as caught up
        while not self._window.closed:
            entry = reader.take(_SCAN)
            if entry is not None:
                yield watch_response(entry.wire, reader.cursor, entry.kind)
                due = None if due is None else loop.time() + self._progress_seconds
            elif reader.behind:
                await asyncio.sleep(0)
            elif due is None or loop.time() >= due:
                progress = refs_pb2.Progress(cursor=reader.cursor)
                yield refs_pb2.WatchResponse(progress=progress).SerializeToString()
                due = loop.time() + self._progress_seconds
            else:
                await self._window.wait(reader.sequence, due)
        raise unavailable("the gateway is going away")

    def _reader(self, request: refs_pb2.WatchRequest, wanted: Filter) -> Reader:
        """Return a reader that stands where the request says; Compacted when that is not kept."""
        if request.WhichOneof("start") == "cursor":
            try:
                positions = load_cursor(request.cursor)
            except BadCursor as error:
                raise invalid("cursor", str(error)) from error
            return Reader(self._window, wanted, positions, whole=True)
        if request.origin == refs_pb2.ORIGIN_OLDEST:
            return Reader.from_oldest(self._window, wanted)
        if request.origin in (refs_pb2.ORIGIN_NOW, refs_pb2.ORIGIN_UNSPECIFIED):
            return Reader.from_newest(self._window, wanted)
        raise invalid("origin", "has no known value")

    async def list(self, request: refs_pb2.ListRequest, context: Context) -> refs_pb2.ListResponse:
        """Return a page of the newest update of each wanted element."""
        async with Answering(context):
            wanted = self._filter(request.filter)
            if request.page_size > MAX_PAGE:
                raise invalid("page_size", f"at most {MAX_PAGE}")
            await self._ready()
            if request.page_token:
                cursor, after = _load_page_token(request.page_token)
            else:
                cursor, after = dump_cursor(self._window.newest(wanted.projects).values()), ("", "")
            return await self._page(wanted, cursor, after, request.page_size or DEFAULT_PAGE)

    async def get(self, request: refs_pb2.GetRequest, context: Context) -> refs_pb2.RefUpdate:
        """Return the newest update of one element."""
        async with Answering(context):
            named("project", request.project)
            named("element", request.element)
            served([request.project], visible(self._projects))
            await self._ready()
            entry = self._window.element((request.project, request.element))
            if entry is None:
                text = (
                    f"nothing of {request.element!r} in {request.project!r} is known to have been announced"
                )
                raise not_found("element", request.element, text)
            return refs_pb2.RefUpdate.FromString(entry.wire)

    async def _page(
        self, wanted: Filter, cursor: str, after: tuple[str, str], size: int
    ) -> refs_pb2.ListResponse:
        page = refs_pb2.ListResponse(cursor=cursor)
        taken = 0
        for entry in self._window.elements_after(after):
            if not wanted.matches(entry.position.project, entry.element):
                continue
            full = len(page.updates) == size or taken + len(entry.wire) > MAX_PAGE_BYTES
            if full and page.updates:
                last = page.updates[-1]
                page.next_page_token = _dump_page_token(cursor, (last.project, last.element))
                break
            page.updates.append(refs_pb2.RefUpdate.FromString(entry.wire))
            taken += len(entry.wire)
        return page

    def _filter(self, message: refs_pb2.Filter) -> Filter:
        if len(message.projects) > MAX_PROJECTS:
            raise invalid("filter.projects", f"at most {MAX_PROJECTS} projects")
        here = visible(self._projects)
        for name in message.projects:
            if name not in here:
                raise no_such_project(name)
        try:
            return Filter(message.projects or here, message.elements)
        except BadFilter as error:
            raise invalid(error.field, str(error)) from error

    async def _ready(self) -> None:
        """Wait until the window has read the logs."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._window.opened.wait()
        except TimeoutError:
            raise unavailable("the gateway is still reading the logs") from None


def _dump_page_token(cursor: str, after: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([cursor, *after]).encode()).decode()


def _load_page_token(token: str) -> tuple[str, tuple[str, str]]:
    """Return the listing's cursor, and the (project, element) its next page comes after."""
    if len(token) > _MAX_PAGE_TOKEN:
        raise invalid("page_token", f"at most {_MAX_PAGE_TOKEN} characters")
    try:
        fields = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
        cursor, project, element = fields
        load_cursor(cursor)
    except (ValueError, TypeError, AttributeError, RecursionError, BadCursor) as error:
        raise invalid("page_token", "not a token that was given out here") from error
    if not (isinstance(project, str) and isinstance(element, str)):
        raise invalid("page_token", "not a token that was given out here")
    return cursor, (project, element)
