"""Who may call: callers with their tokens and certificates, and what is refused before anyone can."""

import time
from ipaddress import ip_address

import grpc

from hookfetch.config import Config
from hookfetch.core.access import EVERYTHING, Caller
from hookfetch.core.errors import ConfigurationError
from hookfetch.server.access.access import ANONYMOUS, Access, Known
from hookfetch.server.access.shares import Share, Shares
from hookfetch.server.access.watch import TokenWatch
from hookfetch.server.grpc.admission.credentials import server_credentials
from hookfetch.server.grpc.admission.limits import Limits
from hookfetch.server.grpc.supplied import SuppliedElements


def access_of(config: Config) -> tuple[Access, TokenWatch]:
    """Return who may call, with their tokens read, and what keeps up with the files; ConfigurationError when
    a token cannot be used."""
    known = [
        Known(
            caller=each.caller(),
            certificates=frozenset(each.certificates),
            expires=each.expires.timestamp() if each.expires else None,
        )
        for each in config.caller
    ]
    access = Access(known, _anonymous_of(config))
    watch = TokenWatch(access, {each.name: each.token_files for each in config.caller})
    watch.load()
    return access, watch


def credentials_of(config: Config) -> grpc.ServerCredentials | None:
    """Return what the gateway serves over TLS with, None without TLS.

    ConfigurationError when the files cannot be used, or when others could reach the gateway with nothing
    to say who may, or read their tokens on the way.
    """
    section = config.grpc
    certified = next((each.name for each in config.caller if each.certificates), None)
    if certified is not None and section.client_ca is None:
        raise ConfigurationError(
            f"caller {certified}: certificates are asked for with grpc.client_ca alone: set it, "
            "grpc.tls_cert and grpc.tls_key"
        )
    if not is_loopback(section.listen):
        if not config.caller and section.anonymous is None:
            raise ConfigurationError(
                f"grpc.listen: {section.listen} is reached by others, and nothing says who may call: add "
                "[[caller]], set grpc.anonymous on purpose, or listen on 127.0.0.1"
            )
        if config.caller and section.tls_cert is None:
            raise ConfigurationError(
                f"grpc.listen: {section.listen} is reached by others, whose tokens would come unencrypted: "
                "set grpc.tls_cert and grpc.tls_key, or listen on 127.0.0.1 behind a proxy with TLS"
            )
    if section.tls_cert is None or section.tls_key is None:
        return None
    return server_credentials(section.tls_cert, section.tls_key, section.client_ca)


def grpc_limits_of(config: Config) -> Limits:
    """Return what one caller may take of the gateway, as configured."""
    section = config.grpc
    return Limits(
        message=section.max_message,
        streams=section.streams,
        calls=section.calls_per_caller,
        work=section.work_per_caller,
    )


def supplied_of(config: Config) -> SuppliedElements:
    """Return what takes elements that callers bring, for each project as it is configured."""
    section = config.grpc
    share = Share(
        per_minute=section.supplied_per_minute,
        per_hour=section.supplied_per_hour,
        at_once=section.supplied_at_once,
    )
    rules = {project.name: project.supplied.rules() for project in config.projects()}
    return SuppliedElements(rules, Shares("elements", share, time.monotonic))


def is_loopback(listen: str) -> bool:
    """Return whether only this machine reaches an address, `host:port`."""
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _anonymous_of(config: Config) -> Caller | None:
    granted = config.grpc.anonymous
    if granted is not None:
        return Caller(ANONYMOUS, tuple(each.grant() for each in granted)) if granted else None
    alone = not config.caller and is_loopback(config.grpc.listen)
    return Caller(ANONYMOUS, (EVERYTHING,)) if alone else None
