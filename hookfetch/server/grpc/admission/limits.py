"""What one connection and one caller may take of the gateway, and what gRPC is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`message` is the bytes of a request, `streams` the calls at once on a connection, `calls` those of a
    caller, `work` those of them that ask for work or change something."""

    message: int = 4 * 1024 * 1024  # as clients of a source cache count on
    streams: int = 2000
    calls: int = 2000
    work: int = 200


def options_of(limits: Limits) -> Sequence[tuple[str, int]]:
    """Return the server's channel arguments."""
    return (
        ("grpc.max_receive_message_length", limits.message),
        ("grpc.max_send_message_length", 64 * 1024 * 1024),
        ("grpc.max_concurrent_streams", limits.streams),
        ("grpc.max_metadata_size", 16 * 1024),  # bytes of headers; the default, said so that it stays
        ("grpc.server_handshake_timeout_ms", 10_000),
        # Those who are gone are found so; those who ask too often whether we are here are cut off.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 2),
        # Two gateways on one port would share its connections without anybody noticing.
        ("grpc.so_reuseport", 0),
    )
