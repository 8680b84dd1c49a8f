"""What a client shows to the gateway, and the channel that shows it. A token is never sent unencrypted to
another machine."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc

from hookfetch.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files: `token_file` with the token, read at each call, so that it can be replaced; PEM: `ca_file` who
    signed the gateway's certificate, `cert_file` and `key_file` what is shown to it.

    The connection is over TLS with `tls`, `ca_file` or `cert_file`; without `ca_file` the system's
    authorities are trusted.
    """

    token_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    tls: bool = False


def open_channel(
    target: str, credentials: Credentials, options: Sequence[tuple[str, Any]]
) -> grpc.aio.Channel:
    """Return a channel to `target` (`host:port`); ConfigurationError when a file cannot be used, or a token
    would be sent unencrypted to another machine."""
    interceptors: list[Any] = []  # of types that the stubs lack
    if credentials.token_file is not None:
        show = _Token(credentials.token_file)
        show.read()
        interceptors = [_UnaryUnary(show), _UnaryStream(show)]
    if not (credentials.tls or credentials.ca_file or credentials.cert_file or credentials.key_file):
        if interceptors and not _on_this_machine(target):
            raise ConfigurationError(
                f"{credentials.token_file}: is not sent to {target} without TLS: add --tls, or "
                "--ca-file with who signed its certificate"
            )
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)
    return grpc.aio.secure_channel(target, _tls(credentials), options=options, interceptors=interceptors)


def _tls(credentials: Credentials) -> grpc.ChannelCredentials:
    if (credentials.cert_file is None) != (credentials.key_file is None):
        raise ConfigurationError("a certificate and its key belong together: --cert and --key")
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # tells in one line what gRPC would tell at no time
    try:
        if credentials.ca_file is not None:
            trust.load_verify_locations(credentials.ca_file)
        if credentials.cert_file is not None:
            trust.load_cert_chain(credentials.cert_file, credentials.key_file)
        files = (credentials.ca_file, credentials.key_file, credentials.cert_file)
        return grpc.ssl_channel_credentials(*(file.read_bytes() if file else None for file in files))
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(
            str(file) for file in (credentials.ca_file, credentials.cert_file, credentials.key_file) if file
        )
        raise ConfigurationError(f"{names}: cannot be used for TLS: {error}") from error


def _on_this_machine(target: str) -> bool:
    host = target.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or target.startswith("unix:")


class _Token:
    """The token in a file, as calls show it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> str:
        try:
            token = self._file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{self._file}: the token cannot be read: {error}") from error
        if not token or not token.isprintable():
            raise ConfigurationError(f"{self._file}: holds no token")
        return token

    async def shown(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        metadata.add("authorization", f"Bearer {await asyncio.to_thread(self.read)}")
        return grpc.aio.ClientCallDetails(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
        )


class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[type-arg] # generic in stubs alone
    def __init__(self, token: _Token) -> None:
        self._token = token

    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await continuation(await self._token.shown(client_call_details), request)


class _UnaryStream(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[type-arg] # generic in stubs alone
    def __init__(self, token: _Token) -> None:
        self._token = token

    async def intercept_unary_stream(
        self, continuation: Any, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await continuation(await self._token.shown(client_call_details), request)
