"""A connection to a source cache, and what its errors say."""

from typing import Any
from urllib.parse import urlsplit

import grpc

TIMEOUT = 30.0  # seconds a call
_MAX_MESSAGE = 64 * 1024 * 1024  # bytes received at once


def open_channel(url: str) -> grpc.Channel:
    """Return a channel to `url` (http or https) that shares nothing with another one."""
    parts = urlsplit(url)
    options = [
        ("grpc.max_receive_message_length", _MAX_MESSAGE),
        ("grpc.use_local_subchannel_pool", 1),  # or a new channel would share an old one's failure
    ]
    if parts.scheme == "https":
        return grpc.secure_channel(parts.netloc, grpc.ssl_channel_credentials(), options)
    return grpc.insecure_channel(parts.netloc, options)


def code_of(error: grpc.RpcError) -> Any:
    """Return an error's status code, or None."""
    return error.code() if isinstance(error, grpc.Call) else None


def text_of(error: grpc.RpcError) -> str:
    """Return an error in one line."""
    if isinstance(error, grpc.Call):
        return f"{error.code().name}: {' '.join((error.details() or '').split())}"
    return str(error)
