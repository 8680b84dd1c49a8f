"""A gRPC proxy in front of a real source cache, for what casd cannot do itself: TLS, client certificates,
access tokens, and counting. It looks at no message: bytes go through as they are."""

import asyncio
import subprocess
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

_NOT_TOLD = frozenset({"authorization", "user-agent"})


class CacheProxy:
    """Passes every call on to the server at `target` (http) while the `with` block lasts, at `url`.

    `calls` counts them by method, `refused` those without the `token`. With `tls`, a folder that
    `certificates` has filled, it speaks TLS and wants a client's certificate.
    """

    def __init__(self, target: str, *, tls: Path | None = None, token: str | None = None) -> None:
        self._target = target.removeprefix("http://")
        self._tls = tls
        self._token = token
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.calls: Counter[str] = Counter()
        self.refused = 0

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://localhost:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._channel = grpc.aio.insecure_channel(self._target)
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((_Everything(self),))
        if self._tls is None:
            self._port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            credentials = grpc.ssl_server_credentials(
                [((self._tls / "server.key").read_bytes(), (self._tls / "server.pem").read_bytes())],
                (self._tls / "ca.pem").read_bytes(),
                require_client_auth=True,
            )
            self._port = self._server.add_secure_port("127.0.0.1:0", credentials)
        await self._server.start()

    async def _stop(self) -> None:
        await self._server.stop(None)
        await self._channel.close()

    async def pass_on(
        self, method: str, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[bytes]:
        self.calls[method.rpartition("/")[2]] += 1
        metadata = dict(context.invocation_metadata() or ())
        if self._token is not None and metadata.get("authorization") != f"Bearer {self._token}":
            self.refused += 1
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token, or another one")
        told = [(key, value) for key, value in metadata.items() if key not in _NOT_TOLD]
        call = self._channel.stream_stream(method)(requests, metadata=told)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata() or ()))


class _Everything(grpc.GenericRpcHandler):
    """On the wire a unary call is a stream of one message: one handler does for all."""

    def __init__(self, proxy: CacheProxy) -> None:
        self._proxy = proxy

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        method = details.method

        async def handle(
            requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[bytes]:
            async for answer in self._proxy.pass_on(method, requests, context):
                yield answer

        return grpc.stream_stream_rpc_method_handler(handle)


def certificates(folder: Path) -> None:
    """Write `ca.pem`, and `server` and `client` (`.pem`, `.key`) signed by it, into `folder`."""

    def openssl(*arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("server", "client"):
        openssl("req", *curve, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / f"{name}.ext").write_text("subjectAltName=DNS:localhost\n")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem"),
        )
