"""What serves the originals of this machine's workers to clients."""

import ssl

from hookfetch.bootstrap.access import is_loopback
from hookfetch.client_configuration import originals_urls
from hookfetch.config import Config
from hookfetch.config.sections import OriginalsConfig
from hookfetch.core.errors import ConfigurationError
from hookfetch.originals.folder import Folder
from hookfetch.server.access.access import Access
from hookfetch.server.access.originals import ByGrants
from hookfetch.server.originals.access import shared_alone
from hookfetch.server.originals.connections import Connections
from hookfetch.server.originals.limits import Limits
from hookfetch.server.originals.server import OriginalsServer
from hookfetch.service import Part


def originals_of(config: Config, access: Access) -> list[Part]:
    """Return the server of originals, nothing where none is to listen. Where nobody's grants are configured,
    everybody reads what is kept of public upstreams.

    ConfigurationError when the certificate cannot be used, or others could read tokens on their way.
    """
    section = config.originals
    if section.listen is None:
        return []
    tls = _tls_of(section)
    if config.caller and tls is None and not is_loopback(section.listen):
        raise ConfigurationError(
            f"originals.listen: {section.listen} is reached by others, whose tokens would come unencrypted: "
            "set originals.tls_cert and originals.tls_key, or listen on 127.0.0.1 behind a proxy with TLS"
        )
    granted = bool(config.caller) or config.grpc.anonymous is not None
    server = OriginalsServer(
        Folder.of(config.state_dir),
        [project.name for project in config.project],
        ByGrants(access) if granted else shared_alone,
        listen=section.listen,
        connections=Connections(section.connections, section.per_address, section.trusted_proxies),
        limits=Limits(
            per_address=section.per_address,
            processes=section.processes,
            deadline=section.deadline,
            stall=section.stall,
            trusted_proxies=section.trusted_proxies,
        ),
        tls=tls,
    )
    return [Part("originals", server.start, server.stop)]


def originals_address(config: Config) -> str | None:
    """Return where clients are told that originals are, None where that is not known."""
    try:
        return next(iter(originals_urls(config)), None)
    except ConfigurationError:  # it listens everywhere: only the operator knows by which address
        return None


def _tls_of(section: OriginalsConfig) -> ssl.SSLContext | None:
    if section.tls_cert is None or section.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(section.tls_cert, section.tls_key)
    except OSError as error:  # ssl.SSLError is one
        what = f"originals.tls_cert {section.tls_cert}, originals.tls_key {section.tls_key}"
        raise ConfigurationError(f"{what}: cannot be used: {error.strerror}") from error
    return context
