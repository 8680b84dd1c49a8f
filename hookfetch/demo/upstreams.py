"""Upstreams on this machine: git over smart HTTP and files with validators, for trying and testing.

    python -m hookfetch.demo.upstreams ROOT [--port 0] [--delay 0] [--hosts 1]

serves every bare repository and file below ROOT on 127.0.0.1, and on the next addresses if it is to be
several hosts, and prints its URL as the first line. It never writes below ROOT, accepts no pushes and never
listens on an address of another machine.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler

from hookfetch.demo.repositories import ISOLATED, Repository, create_repository, create_tarball

__all__ = [
    "Repository",
    "UpstreamServer",
    "create_repository",
    "create_tarball",
    "make_application",
    "serve",
]

_MAX_BODY = 16 * 1024 * 1024  # bytes; a fetch's wants and haves, after decompression
_MAX_BACKENDS = 16
_PIECE = 64 * 1024
_STOP_WITHIN = 10.0  # seconds
_FIRST = IPv4Address("127.0.0.1")

# Large forges let any commit be asked for, also in protocol v0; BuildStream's dulwich relies on it.
_SERVED = {
    "GIT_HTTP_EXPORT_ALL": "1",
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_CONFIG_KEY_1": "uploadpack.allowAnySHA1InWant",
    "GIT_CONFIG_VALUE_1": "true",
}


def make_application(root: Path, delay: float = 0.0) -> web.Application:
    """Return an application that serves the repositories and files below `root`, read-only. Each answer is
    held back `delay` seconds, as if the upstream were so far away."""

    @web.middleware
    async def far_away(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(delay)
        return await handler(request)

    upstreams = _Upstreams(root.resolve())
    application = web.Application(client_max_size=_MAX_BODY, middlewares=[far_away] if delay else [])
    application.router.add_get("/{path:.+}/info/refs", upstreams.git)
    application.router.add_post("/{path:.+}/git-upload-pack", upstreams.git)
    application.router.add_get("/{path:.+}", upstreams.file)
    return application


class _Upstreams:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._backends = asyncio.Semaphore(_MAX_BACKENDS)

    async def file(self, request: web.Request) -> web.StreamResponse:
        path = (self._root / request.match_info["path"]).resolve()
        if not path.is_relative_to(self._root) or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path)  # ETag, Last-Modified and conditional requests are aiohttp's

    async def git(self, request: web.Request) -> web.StreamResponse:
        # Decompressed by aiohttp and bounded by client_max_size, so the backend gets it plain.
        body = await request.read()
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            **ISOLATED,
            **_SERVED,
            "GIT_PROJECT_ROOT": str(self._root),
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": request.remote or "",
        }
        if "Git-Protocol" in request.headers:
            environment["GIT_PROTOCOL"] = request.headers["Git-Protocol"]
        async with self._backends, _backend(environment) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            feeding = asyncio.ensure_future(_feed(process.stdin, body))
            try:
                return await _answer(request, process.stdout)
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)


@contextlib.asynccontextmanager
async def _backend(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    try:
        yield process
    except BaseException:
        if process.returncode is None:
            # Not through asyncio, whose kill may reap the process before its watcher does.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        raise
    finally:
        await process.wait()


async def _feed(stdin: asyncio.StreamWriter, body: bytes) -> None:
    try:
        stdin.write(body)
        await stdin.drain()
        stdin.close()
    except ConnectionError:
        return  # the backend refused the request before reading it; its answer says why


async def _answer(request: web.Request, stdout: asyncio.StreamReader) -> web.StreamResponse:
    """Pass on the backend's CGI answer (RFC 3875, section 6)."""
    try:
        head = await stdout.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise web.HTTPBadGateway(text="git http-backend gave no answer") from error
    response = web.StreamResponse()
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(": ")
        if name == "Status":
            response.set_status(int(value.split()[0]))
        elif name:
            response.headers[name] = value
    with contextlib.suppress(ConnectionError):  # a client may leave once it has what it wanted
        await response.prepare(request)
        while piece := await stdout.read(_PIECE):
            await response.write(piece)
        await response.write_eof()
    return response


class UpstreamServer:
    """The upstreams below `root` in a process of their own; `with` starts and stops it.

    `port` 0 chooses a free one at the first start, and every later start uses it again, so an
    upstream can go away and come back. Each answer is held back `delay` seconds. It is so many `hosts`: all
    serve the same at addresses of their own (Linux gives a machine all of 127.0.0.0/8). OSError when the port
    is taken.
    """

    program = __spec__.name  # what is run; a subclass's takes the same arguments

    def __init__(self, root: Path, port: int = 0, delay: float = 0.0, hosts: int = 1) -> None:
        self._root = root
        self._port = port
        self._delay = delay
        self._hosts = hosts
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return `http://127.0.0.1:<port>`, also while stopped."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        """Return `http://127.0.0.<number>:<port>` of each host, also while stopped."""
        assert self._port, "start the server first"
        return [f"http://{_FIRST + number}:{self._port}" for number in range(self._hosts)]

    @property
    def pid(self) -> int:
        """Return the server's process id while it runs."""
        assert self._process is not None, "start the server first"
        return self._process.pid

    def start(self) -> None:
        """Return once the server listens; nothing happens when it already does."""
        if self._process is not None:
            return
        # Its stdin is our pipe: however this process ends, the server sees the end and leaves.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                self.program,
                str(self._root),
                "--port",
                str(self._port),
                "--delay",
                str(self._delay),
                "--hosts",
                str(self._hosts),
                "--while-stdin",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline().decode().strip()
        if not first:
            self.stop()
            raise OSError(f"the upstreams below {self._root} could not be served on port {self._port}")
        self._port = int(first.rpartition(":")[2])

    def stop(self) -> None:
        """End and reap the server; nothing happens when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


async def serve(application: web.Application, port: int, hosts: int, *, while_stdin: bool) -> None:
    """Serve at so many addresses of one port until SIGTERM or SIGINT, or until stdin ends if `while_stdin`;
    OSError when the port is taken."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    if while_stdin:
        loop.add_reader(sys.stdin.fileno(), done.set)  # nobody writes to it: readable means ended
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        for host in range(hosts):
            await web.TCPSite(runner, str(_FIRST + host), port).start()
            port = runner.addresses[0][1]
        sys.stdout.write(f"http://{_FIRST}:{port}\n")
        sys.stdout.flush()
        await done.wait()
    finally:
        await runner.cleanup()


def main(make: Callable[[Path, float], web.Application] = make_application) -> None:
    """Run the command line; `make` returns the application for a root and a delay."""
    parser = argparse.ArgumentParser(prog="hookfetch.demo.upstreams", description="Serve git and files.")
    parser.add_argument("root", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that each answer is held back")
    parser.add_argument("--hosts", type=int, default=1, help="how many addresses, from 127.0.0.1 on")
    parser.add_argument("--while-stdin", action="store_true", help="leave when standard input ends")
    options = parser.parse_args()
    application = make(options.root, options.delay)
    asyncio.run(serve(application, options.port, options.hosts, while_stdin=options.while_stdin))


if __name__ == "__main__":
    main()
