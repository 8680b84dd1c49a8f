"""What a call shows of who makes it, and what the server shows of itself. Nothing is decided here."""

import ssl
from collections.abc import Sequence
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import grpc

from hookfetch.core.errors import ConfigurationError
from hookfetch.server.access.access import NotKnown
from hookfetch.server.access.http import bearer
from hookfetch.server.door.senders import sender_address
from hookfetch.server.file_marks import marks_of

Context = grpc.aio.ServicerContext[Any, Any]


def token(context: Context) -> str | None:
    """Return the bearer token of a call, None when it shows none; NotKnown when it shows something else."""
    shown = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if len(shown) > 1:
        raise NotKnown("there are several authorizations: one is enough")
    return bearer(str(shown[0])) if shown else None


def certificate_names(context: Context) -> Sequence[str]:
    """Return the names in the certificate of a call: the alternative ones, or without any the common one.

    Only where an authority for them is configured are certificates asked for, and those that it did not sign
    do not get so far.
    """
    if context.peer_identity_key() not in ("x509_subject_alternative_name", "x509_common_name"):
        return ()
    return [name.decode("utf-8", "replace") for name in context.peer_identities() or ()]


def address(context: Context) -> str:
    """Return where a call comes from, as gRPC writes it: `ipv4:127.0.0.1:4711`."""
    return unquote(str(context.peer()))


def host(peer: str) -> str:
    """Return who is at an address, its port left out: of IPv6 the /64, which a single one is given whole."""
    family, _, place = peer.partition(":")
    if family == "ipv6":
        sender = sender_address(place)
        if isinstance(sender, IPv6Address):
            return f"ipv6:{IPv6Address(int(sender) >> 64 << 64)}/64"
        if sender is not None:
            return f"ipv4:{sender}"
    return peer.rpartition(":")[0] or peer


def server_credentials(certificate: Path, key: Path, client_ca: Path | None) -> grpc.ServerCredentials:
    """Return what serves over TLS with these PEM files, which are read again when they change, so that a
    renewed certificate needs no restart. With `client_ca`, clients must show one that it has signed.

    ConfigurationError when they cannot be used.
    """
    files = [certificate, key, *([client_ca] if client_ca else [])]

    def read() -> grpc.ServerCertificateConfiguration:
        _check(certificate, key, client_ca)
        pair = (key.read_bytes(), certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration(
            [pair], client_ca.read_bytes() if client_ca else None
        )

    seen = marks_of(files)

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        """Return what changed; gRPC asks at each handshake, on a thread of its own."""
        nonlocal seen
        marks = marks_of(files)
        if marks == seen:
            return None
        fresh = read()  # when it cannot be used, gRPC says so and goes on with what it has
        seen = marks
        return fresh

    return grpc.dynamic_ssl_server_credentials(
        read(),
        renewed,  # type: ignore[arg-type]  # None is documented, and not in the stubs
        require_client_authentication=client_ca is not None,
    )


def _check(certificate: Path, key: Path, client_ca: Path | None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"grpc.tls_cert, grpc.tls_key: {certificate}, {key}: {error}") from error
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"grpc.client_ca: {client_ca}: {error}") from error
