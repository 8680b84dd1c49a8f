"""The socket of originals, and the way of a request: what it asks for, who may have it, where it is.

aiohttp reads the requests. What it has no limit for is limited here: connections, requests of one address,
and clients that do not keep up.
"""

import asyncio
import ssl
from collections.abc import Sequence
from functools import partial

import structlog
from aiohttp import web

from hookfetch.core.errors import ConfigurationError, Temporary
from hookfetch.originals.folder import Folder, Original, without_account
from hookfetch.server.originals import files, git
from hookfetch.server.originals.access import MayRead
from hookfetch.server.originals.connections import Connection, Connections
from hookfetch.server.originals.finding import Finder
from hookfetch.server.originals.limits import Limits
from hookfetch.server.originals.names import File, Repository, parse

_HANDSHAKE = 10.0  # seconds
_STOP_WITHIN = 3.0  # seconds for what is being sent when the server stops
_END_WITHIN = 5.0  # seconds for what was told to end then

_log = structlog.get_logger(__name__)


class OriginalsServer:
    """Serves what is in `folder` on `listen` (`host:port`) between start and stop, to whom `may_read` lets:
    what is everybody's, and what one of `projects` has alone; over TLS with `tls`."""

    def __init__(
        self,
        folder: Folder,
        projects: Sequence[str],
        may_read: MayRead,
        *,
        listen: str,
        connections: Connections,
        limits: Limits,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._folder = folder
        self._projects = projects
        self._may_read = may_read
        self._listen = listen
        self._connections = connections
        self._limits = limits
        self._tls = tls
        self._http: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._finder = Finder()
        self._serving: set[asyncio.Task[object]] = set()

    @property
    def port(self) -> int:
        """Return the port that it listens on, which port 0 leaves to the system."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen; ConfigurationError when the address cannot be had."""
        host, _, port = self._listen.rpartition(":")
        # Who leaves ends what was being done for them.
        self._http = web.Server(self._answer, handler_cancellation=True)
        admit = partial(Connection, self._http, self._connections)
        try:
            loop = asyncio.get_running_loop()
            handshake = None if self._tls is None else _HANDSHAKE
            self._server = await loop.create_server(
                admit, host.strip("[]"), int(port), ssl=self._tls, ssl_handshake_timeout=handshake
            )
        except OSError as error:
            what = f"originals.listen: cannot listen on {self._listen}"
            raise ConfigurationError(f"{what}: {error.strerror}") from error

    async def stop(self) -> None:
        """Take no more requests, and let those that are being answered end soon."""
        server, self._server = self._server, None
        http, self._http = self._http, None
        if server is not None and http is not None:
            server.close()
            http.pre_shutdown()  # no connection takes another request
            for within in (_STOP_WITHIN, _END_WITHIN):
                if self._serving:
                    await asyncio.wait(self._serving, timeout=within)
                for task in self._serving:
                    task.cancel()  # it ends what it has started
            await http.shutdown(_END_WITHIN)
            await server.wait_closed()
        self._finder.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = parse(request.raw_path)
        if asked is None:
            raise web.HTTPNotFound(text="originals are at /originals/git/… and /originals/files/…\n")
        allowed = {git.method_of(asked)} if isinstance(asked, Repository) else {"GET", "HEAD"}
        if request.method not in allowed:
            raise web.HTTPMethodNotAllowed(request.method, allowed)
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        upstream = without_account(asked.upstream)
        with self._limits.request(request) as sender:
            try:
                async with asyncio.timeout(self._limits.deadline):
                    return await self._serve(request, asked)
            except web.HTTPBadGateway as error:
                _log.warning("original not readable", upstream=upstream, reason=str(error.__cause__))
                raise
            except (Temporary, TimeoutError) as error:
                # Of an answer that is under way nothing comes of this: its connection was cut.
                reason = str(error) or "the client did not take it in time"
                _log.warning("original not served", upstream=upstream, sender=sender, reason=reason)
                raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"}) from error

    async def _serve(self, request: web.BaseRequest, asked: Repository | File) -> web.StreamResponse:
        async with self._finder.held(self._readable(request, asked)) as original:
            if original is None:
                raise web.HTTPNotFound(text="this original is not here\n")
            if isinstance(asked, Repository):
                return await git.serve(request, asked, original, self._finder, self._limits)
            return await files.serve(request, asked, original, self._finder, self._limits)

    def _readable(self, request: web.BaseRequest, asked: Repository | File) -> list[Original]:
        """Return where the original may be, as far as whoever asks may know."""
        kind, upstream = asked.kind, asked.upstream
        shared = [self._folder.shared(kind, upstream)] if self._may_read(request, None) else []
        theirs = [project for project in self._projects if self._may_read(request, project)]
        return shared + [self._folder.own(project, kind, upstream) for project in theirs]
