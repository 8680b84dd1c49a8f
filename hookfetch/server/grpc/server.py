"""The gateway's gRPC server: hookfetch's services, health and reflection on one port, fed from a bus."""

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]  # the stubs lack it
from grpc_reflection.v1alpha import reflection

from hookfetch.core.codec import load_record
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.fencing import Fence
from hookfetch.core.ports import Bus, Message, Subscription
from hookfetch.server.access.access import Access, open_access
from hookfetch.server.access.audit import Audit
from hookfetch.server.access.bounds import Bounds, Quota
from hookfetch.server.access.shares import Share, Shares
from hookfetch.server.grpc.admission.admission import Admission
from hookfetch.server.grpc.admission.limits import Limits, options_of
from hookfetch.server.grpc.elements import ElementCalls
from hookfetch.server.grpc.feeds import FeedServicer
from hookfetch.server.grpc.jobs import JobServicer
from hookfetch.server.grpc.locating import Locating
from hookfetch.server.grpc.log_window import LogWindow
from hookfetch.server.grpc.messages import entry_wire, listed_wire
from hookfetch.server.grpc.operations import OperationsServicer
from hookfetch.server.grpc.projects import ProjectServicer
from hookfetch.server.grpc.questions import Questions
from hookfetch.server.grpc.refs import PROGRESS_SECONDS, RefServicer
from hookfetch.server.grpc.requests import ANSWER_SECONDS, Requests
from hookfetch.server.grpc.sources import SourceServicer
from hookfetch.server.grpc.supplied import SuppliedElements
from hookfetch.v1 import (
    feeds_pb2,
    feeds_pb2_grpc,
    jobs_pb2,
    jobs_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
    projects_pb2,
    projects_pb2_grpc,
    refs_pb2,
    sources_pb2,
    sources_pb2_grpc,
)

if TYPE_CHECKING:  # with it come BuildStream's messages
    from hookfetch.server.grpc.assets.service import AssetService

MAX_CALLS = 10_000  # at once, watchers included
# The bus does not say when the kept log was read: no entry for QUIET_SECONDS is taken for it.
QUIET_SECONDS = 0.25
OPENING_SECONDS = 60.0

_SERVICES = (
    refs_pb2.DESCRIPTOR.services_by_name["RefService"].full_name,
    sources_pb2.DESCRIPTOR.services_by_name["SourceService"].full_name,
    projects_pb2.DESCRIPTOR.services_by_name["ProjectService"].full_name,
    jobs_pb2.DESCRIPTOR.services_by_name["JobService"].full_name,
    operations_pb2.DESCRIPTOR.services_by_name["OperationsService"].full_name,
    feeds_pb2.DESCRIPTOR.services_by_name["FeedService"].full_name,
)


class GrpcServer:
    """A gateway for `projects` on `listen` (`host:port`; port 0 for any free one).

    `progress_seconds` is a quiet watcher's interval, `answer_seconds` the longest wait for a
    coordinator, `assets` what it serves of source caches, `supplied` takes elements of clients'
    own, `originals` is where clients find originals. Without `access` everyone may do everything,
    without `credentials` there is no TLS.
    """

    def __init__(
        self,
        bus: Bus,
        projects: Iterable[str],
        listen: str,
        *,
        progress_seconds: float = PROGRESS_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        assets: "AssetService | None" = None,
        access: Access | None = None,
        limits: Limits | None = None,
        credentials: grpc.ServerCredentials | None = None,
        supplied: SuppliedElements | None = None,
        originals: str | None = None,
    ) -> None:
        self._bus = bus
        self._projects = frozenset(projects)
        self._listen = listen
        self._window = LogWindow(entry_wire, listed_wire)
        self._fences: dict[str, Fence] = {}
        self._requests = Requests(bus, answer_seconds=answer_seconds)
        self._questions = Questions(bus)
        self._refs = RefServicer(self._window, self._projects, progress_seconds=progress_seconds)
        elements = ElementCalls(self._questions, self._requests, self._projects)
        self._jobs = JobServicer(self._requests, elements, self._projects)
        self._assets = assets
        self._access = access or open_access()
        self._limits = limits or Limits()
        self._credentials = credentials
        self._originals = originals
        self._supplied = supplied or SuppliedElements({}, Shares("elements", Share(), time.monotonic))
        bounds = Bounds(Quota(calls=self._limits.calls, work=self._limits.work))
        self._admission = Admission(self._access, bounds, Audit(time.monotonic), self._projects)
        self._services = _SERVICES if assets is None else (*_SERVICES, *assets.names)
        self._health = health.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self._log: Subscription | None = None
        self._opening: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen, open the inbox and follow the log; `port` is then the bound one.

        ConfigurationError when the port cannot be had, Temporary when the bus is not there.
        Health says SERVING once the kept log was read.
        """
        self._server = self._build()
        self._access.on_recheck(self._admission.recheck)
        try:
            await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
            # Before the bus: a server that never ran keeps its port after `stop`.
            await self._server.start()
            await self._requests.open()
            await self._questions.open()
            self._log = await self._bus.follow(self._take)
        except BaseException:
            await self.stop(0)
            raise
        self._opening = asyncio.create_task(self._open(), name="grpc-opening")

    def _build(self) -> grpc.aio.Server:
        server = grpc.aio.server(
            interceptors=[self._admission],
            options=options_of(self._limits),
            maximum_concurrent_rpcs=MAX_CALLS,
        )
        server.add_generic_rpc_handlers((self._refs.handlers(),))
        sources_pb2_grpc.add_SourceServiceServicer_to_server(
            SourceServicer(
                self._requests,
                self._projects,
                self._supplied,
                Locating(self._questions, self._projects, self._originals),
            ),
            server,
        )
        projects_pb2_grpc.add_ProjectServiceServicer_to_server(
            ProjectServicer(self._questions, self._requests, self._projects), server
        )
        jobs_pb2_grpc.add_JobServiceServicer_to_server(self._jobs, server)
        operations_pb2_grpc.add_OperationsServiceServicer_to_server(
            OperationsServicer(self._questions, self._requests, self._projects), server
        )
        feeds_pb2_grpc.add_FeedServiceServicer_to_server(
            FeedServicer(self._questions, self._projects), server
        )
        if self._assets is not None:
            self._assets.join(server, self._questions, self._requests)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*self._services, HEALTH, reflection.SERVICE_NAME), server)
        try:
            if self._credentials is None:
                self.port = server.add_insecure_port(self._listen)
            else:
                self.port = server.add_secure_port(self._listen, self._credentials)
        except RuntimeError as error:
            raise ConfigurationError(f"grpc.listen: cannot listen on {self._listen}") from error
        return server

    async def stop(self, grace: float) -> None:
        """Send watchers away, give other calls `grace` seconds, and leave the bus."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        self._window.close()
        if self._server is not None:
            await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
            await self._server.stop(grace)
        if self._log is not None:
            await self._log.cancel()
        await self._requests.close()
        await self._questions.close()
        if self._assets is not None:
            await self._assets.close()

    async def _take(self, message: Message) -> None:
        record = load_record(message.body)
        # Other projects are not for this gateway's clients.
        if record.project in self._projects:
            entry = self._fences.setdefault(record.project, Fence()).admit(record)
            if entry is not None:
                self._window.add(entry)

    async def _open(self) -> None:
        """Answer from the window once the kept log was read."""
        seen = -1
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                while self._window.last != seen:
                    seen = self._window.last
                    await asyncio.sleep(QUIET_SECONDS)
        except TimeoutError:
            pass  # a log that grows without a pause is as good as read: readers keep up with it
        self._window.opened.set()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus.ValueType) -> None:
        for service in ("", *self._services):
            await self._health.set(service, status)
