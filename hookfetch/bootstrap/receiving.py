"""The ingress: the door, its hooks and spools, and what relays and remembers deliveries."""

import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from hookfetch.bootstrap.bus import address_of
from hookfetch.bus.rabbitmq.spool import BrokerSpool
from hookfetch.config import Config, IngressConfig, read_secrets
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.ports import Bus, HookOptions
from hookfetch.forges import configured_forge, load_forges
from hookfetch.server.answers import IngressAnswers
from hookfetch.server.deliveries import Deliveries
from hookfetch.server.door.house import Limits
from hookfetch.server.door.request import HeadLimits
from hookfetch.server.ingress import Hook
from hookfetch.server.relay import Relay
from hookfetch.service import Part
from hookfetch.spool.archive import Archive
from hookfetch.spool.book import DeliveryBook
from hookfetch.spool.keeping import KeepingSpool
from hookfetch.spool.record import decode_deliveries, encode_deliveries
from hookfetch.spool.retention import Retention
from hookfetch.spool.spool import SEGMENT_BYTES, SegmentSpool


def load_hooks(config: Config) -> Mapping[str, Hook]:
    """Return the configured hooks with their forges and secrets; ConfigurationError names what is missing."""
    forges = load_forges()
    hooks = {}
    for hook in config.hook:
        if hook.forge not in forges:
            known = ", ".join(sorted(forges))
            raise ConfigurationError(f"hook {hook.name}: forge {hook.forge!r} is unknown; known are {known}")
        accepted = read_secrets(hook.secret_files, f"hook {hook.name}")
        options = HookOptions(base_url=hook.base_url, sha1=hook.sha1, header=hook.header)
        try:
            forge = configured_forge(forges[hook.forge], options)
        except ConfigurationError as error:
            raise ConfigurationError(f"hook {hook.name}: {error}") from error
        hooks[hook.name] = Hook(name=hook.name, forge=forge, secrets=accepted, allow_from=hook.allow_from)
    return hooks


def limits_of(config: IngressConfig) -> Limits:
    """Return what the door allows a sender, as configured."""
    return Limits(
        head=HeadLimits(size=config.max_head),
        max_body=config.max_body,
        head_seconds=config.head_timeout,
        body_seconds=config.body_timeout,
        idle_seconds=config.idle_timeout,
        connections=config.connections,
        per_address=config.per_address,
        trusted_proxies=config.trusted_proxies,
        allow_from=config.allow_from,
    )


def spools_of(config: Config) -> list[SegmentSpool | KeepingSpool]:
    """Return the spool that the door writes to, and then the one that is only read: on a broker, every
    ingress also takes what was put there, as a replayed delivery is."""
    address = address_of(config)
    if address is None:
        if config.ingress.durable == "broker":
            raise ConfigurationError('ingress.durable = "broker" needs one: set bus.url or bus.url_file')
        return [SegmentSpool(config.state_dir / "spool", config.ingress.spool_max, archive_of(config))]
    on_broker = BrokerSpool(address, config.bus.confirm_timeout, encode_deliveries, decode_deliveries)
    segment_bytes = min(SEGMENT_BYTES, max(config.ingress.keep_bytes // 4, 1))
    shared = KeepingSpool(on_broker, archive_of(config), segment_bytes)
    if config.ingress.durable == "broker":
        return [shared]
    return [SegmentSpool(config.state_dir / "spool", config.ingress.spool_max, archive_of(config)), shared]


def archive_of(config: Config) -> Archive:
    """Return the folder of deliveries that were relayed and are kept, beside the spool."""
    return Archive(config.state_dir / "deliveries" / "bodies", config.state_dir / "spool")


def book_file(config: Config) -> Path:
    """Return where it is noted what became of deliveries."""
    return config.state_dir / "deliveries" / "book.sqlite"


def relaying(
    config: Config,
    hooks: Mapping[str, Hook],
    spools: Sequence[SegmentSpool | KeepingSpool],
    bus: Bus,
    book: DeliveryBook,
) -> list[Part]:
    """Return what takes deliveries on from the spools, and what remembers them."""
    forges = {name: hook.forge for name, hook in hooks.items()}
    archive = archive_of(config)
    parts = [Part("delivery book", book.open, book.close)]
    relays = [Relay(spool, forges, bus, book=book, place=spool.place) for spool in spools]
    parts += [Part("relay", relay.start, relay.stop) for relay in relays]
    days, most = config.ingress.keep_days, config.ingress.keep_bytes
    retention = Retention(spools, archive, book, keep_days=days, keep_bytes=most)
    parts.append(Part("retention", retention.start, retention.stop))
    name = f"{socket.gethostname()}-{secrets.token_hex(4)}"
    answers = IngressAnswers(name, Deliveries(spools, archive, book, relays), bus)
    return [*parts, Part("ingress answers", answers.start, answers.stop, patient=True)]
