"""Connections to the servers of a source cache: opened here and nowhere else, with TLS and token.

Whatever a server refuses is told as the server's own, so that no element is blamed for it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import grpc

from hookfetch.cas.protos import (
    bytestream_pb2_grpc,
    remote_asset_pb2,
    remote_asset_pb2_grpc,
    remote_execution_pb2,
    remote_execution_pb2_grpc,
)
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import CacheAway, ConfigurationError, Temporary

TIMEOUT = 30.0  # seconds a call
_PROBE_TIMEOUT = 5.0
_MAX_MESSAGE = 64 * 1024 * 1024  # bytes received at once

# What says something of the server, and nothing of what it was asked.
_AWAY = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


class Stubs(NamedTuple):
    """What a server may be asked; which of it, its type says."""

    fetch: Any
    push: Any
    storage: Any
    stream: Any


class Server:
    """A connection to one server, opened when it is asked first; usable from one thread."""

    def __init__(self, config: SourceCacheConfig) -> None:
        self._config = config
        self._channel: grpc.Channel | None = None
        self._stubs: Stubs | None = None

    @property
    def url(self) -> str:
        """Return its address."""
        return self._config.url

    @contextmanager
    def asked(self) -> Iterator[Stubs]:
        """Give what it can be asked. CacheAway when it is not there or lets nobody in, Temporary when it
        refused this alone; both name it."""
        try:
            if self._stubs is None:
                self._stubs = self._open()
            yield self._stubs
        except grpc.RpcError as error:
            # A channel that failed waits before it tries again; a new one asks at once, with newer files.
            self.close()
            kind = CacheAway if code_of(error) in _AWAY else Temporary
            raise kind(f"source cache {self.url}: {_text_of(error)}") from error
        except ConfigurationError as error:
            raise CacheAway(f"source cache {self.url}: {error}") from error

    def _open(self) -> Stubs:
        address = urlsplit(self.url).netloc
        options = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.use_local_subchannel_pool", 1),  # or a new channel would share an old one's failure
        ]
        if self.url.startswith("https://"):
            self._channel = grpc.secure_channel(address, _credentials(self._config), options)
        else:
            self._channel = grpc.insecure_channel(address, options)
        return Stubs(
            fetch=remote_asset_pb2_grpc.FetchStub(self._channel),
            push=remote_asset_pb2_grpc.PushStub(self._channel),
            storage=remote_execution_pb2_grpc.ContentAddressableStorageStub(self._channel),
            stream=bytestream_pb2_grpc.ByteStreamStub(self._channel),
        )

    def close(self) -> None:
        """Close the connection until it is asked again."""
        if self._channel is not None:
            self._channel.close()
        self._channel = self._stubs = None


class Servers:
    """The servers that sources are pushed to: `indexes` take names, `storages` blobs."""

    def __init__(self, configs: Sequence[SourceCacheConfig]) -> None:
        pushed = [(config, Server(config)) for config in configs if config.push]
        self._all = tuple(server for _, server in pushed)
        self.indexes = tuple(server for config, server in pushed if config.is_index)
        self.storages = tuple(server for config, server in pushed if config.is_storage)

    def probe(self) -> None:
        """Return if each server answers and lets one write; CacheAway otherwise. A few empty questions, those
        by which BuildStream, too, finds out whether a server is one."""
        try:
            self._probe()
        except Temporary as error:
            raise CacheAway(str(error)) from error

    def _probe(self) -> None:
        for server in self.indexes:
            with server.asked() as ask:
                _answers(ask.fetch.FetchBlob, remote_asset_pb2.FetchBlobRequest())
                _answers(ask.push.PushBlob, remote_asset_pb2.PushBlobRequest())
        for server in self.storages:
            with server.asked() as ask:
                _answers(ask.storage.FindMissingBlobs, remote_execution_pb2.FindMissingBlobsRequest())

    def close(self) -> None:
        """Close every connection."""
        for server in self._all:
            server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_for_streams(config: SourceCacheConfig) -> grpc.aio.Channel:
    """Return a connection to pass calls on by, from the event loop that runs; its messages are as large as
    the server's. ConfigurationError when a file of it cannot be used."""
    address = urlsplit(config.url).netloc
    options = [("grpc.max_receive_message_length", _MAX_MESSAGE), ("grpc.use_local_subchannel_pool", 1)]
    if config.url.startswith("https://"):
        return grpc.aio.secure_channel(address, _credentials(config), options)
    return grpc.aio.insecure_channel(address, options)


def code_of(error: grpc.RpcError) -> Any:
    """Return an error's status code, or None."""
    return error.code() if isinstance(error, grpc.Call) else None


def _answers(call: Any, request: Any) -> None:
    try:
        call(request, timeout=_PROBE_TIMEOUT)
    except grpc.RpcError as error:
        if code_of(error) is not grpc.StatusCode.INVALID_ARGUMENT:
            raise


def _text_of(error: grpc.RpcError) -> str:
    if isinstance(error, grpc.Call):
        return f"{error.code().name}: {' '.join((error.details() or '').split())}"
    return str(error)


def _credentials(config: SourceCacheConfig) -> grpc.ChannelCredentials:
    files = {name: text.encode() for name, text in config.credentials().items()}
    channel = grpc.ssl_channel_credentials(
        files.get("ca_file"), files.get("key_file"), files.get("cert_file")
    )
    token = files.get("access_token_file")
    if token is None:
        return channel
    call = grpc.access_token_call_credentials(token.decode().strip())
    return grpc.composite_channel_credentials(channel, call)
