"""Configuration in, running parts out. The only file that names concrete classes; read from top
to bottom it is the architecture.
"""

import secrets
import socket
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.link import Address, broker_address
from hookfetch.bus.rabbitmq.spool import BrokerSpool
from hookfetch.config import (
    ROLES,
    Config,
    HookConfig,
    IngressConfig,
    ProjectConfig,
    SweepConfig,
    read_secret,
    read_secrets,
)
from hookfetch.coordinator.answers import Answers
from hookfetch.coordinator.coordinator import Coordinator
from hookfetch.coordinator.loader import Loader
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.globs import Glob
from hookfetch.core.policy import ElementPolicy, Policy
from hookfetch.core.ports import Bus, Engine, HookOptions
from hookfetch.core.state import RetryPolicy
from hookfetch.engine.supervisor import BuildStreamEngine
from hookfetch.forges import configured_forge, load_forges
from hookfetch.forges.api import account_of, hook_api
from hookfetch.forges.api.client import ApiClient
from hookfetch.forges.api.values import Target
from hookfetch.hooks.checking import Checker
from hookfetch.hooks.registration import Arrived, KnownBy, NothingKnown, Registration
from hookfetch.hooks.watching import HookWatch
from hookfetch.server.answers import IngressAnswers
from hookfetch.server.deliveries import Deliveries
from hookfetch.server.door.house import Limits
from hookfetch.server.door.request import HeadLimits
from hookfetch.server.grpc.server import GrpcServer
from hookfetch.server.http import HttpServer
from hookfetch.server.ingress import Hook, Ingress
from hookfetch.server.relay import Relay
from hookfetch.server.secret_watch import SecretWatch
from hookfetch.service import Part
from hookfetch.spool.archive import Archive
from hookfetch.spool.book import DeliveryBook
from hookfetch.spool.keeping import KeepingSpool
from hookfetch.spool.record import decode_deliveries, encode_deliveries
from hookfetch.spool.retention import Retention
from hookfetch.spool.spool import SEGMENT_BYTES, SegmentSpool
from hookfetch.store.database import Database
from hookfetch.store.observed import ObservedRefs
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.asking import Asking
from hookfetch.upstreams.hosts import Hosts
from hookfetch.upstreams.sweep import Accept, Sweep
from hookfetch.worker import Worker

_RATE_PATIENCE = 30.0  # seconds that a check waits for a forge's rate limit
_GRACE = 5.0  # seconds for calls that are being answered when the gateway stops


def build(config: Config, roles: Collection[str] = ROLES) -> list[Part]:
    """Return the parts of `roles` in the order in which they start.

    ConfigurationError when a secret cannot be read, a forge is unknown, or roles are to
    run apart without a broker between them.
    """
    bus = bus_of(config)
    if isinstance(bus, MemoryBus) and set(roles) != set(ROLES):
        raise ConfigurationError("--role needs a broker between the roles: set bus.url or bus.url_file")
    parts: list[Part] = []
    if "ingress" in roles:
        # The door opens first: what is delivered before the broker is reached waits in the spool.
        hooks = load_hooks(config)
        spools = spools_of(config)
        spool = spools[0]
        ingress = Ingress(hooks, spool, time.time, config.ingress.max_body)
        door = HttpServer(ingress, config.ingress.listen, limits_of(config.ingress))
        parts += [Part("spool", each.open, each.close) for each in spools]
        parts.append(Part("ingress", door.start, door.stop))
        secrets_of = SecretWatch({hook.name: hook.secret_files for hook in config.hook}, ingress.renew)
        parts.append(Part("hook secrets", secrets_of.start, secrets_of.stop))
    parts.append(Part("bus", bus.start, bus.close, patient=True))
    if "coordinator" in roles or "worker" in roles:
        engine = engine_of(config)
        parts.append(Part("engine", _at_first_work, engine.close))
    if "coordinator" in roles:
        hosts = hosts_of(config.sweep)
        Accounts(config.upstream).check()
        for project in config.project:
            coordinator, answers = _coordinator(config, project, bus, engine, hosts)
            parts.append(
                Part(f"coordinator {project.name}", coordinator.start, coordinator.stop, patient=True)
            )
            parts.append(Part(f"answers {project.name}", answers.start, answers.stop, patient=True))
    if "worker" in roles:
        worker = Worker(bus, engine, config.engine.processes)
        parts.append(Part("worker", worker.start, worker.stop, patient=True))
    if "gateway" in roles:
        gateway = GrpcServer(bus, [project.name for project in config.project], config.grpc.listen)
        parts.append(Part("gateway", gateway.start, partial(gateway.stop, _GRACE)))
    if "ingress" in roles:
        book = DeliveryBook(_book_file(config))
        parts += _relaying(config, hooks, spools, bus, book)
        if any(hook.api for hook in config.hook):
            checker = checker_of(config, KnownBy(book.find))
            registrations = partial(open_registrations, config, _RATE_PATIENCE)
            watch = HookWatch(registrations, checker, config.hook_check.interval, time.time)
            parts.append(Part("hooks", watch.start, watch.stop))
    return parts


def _relaying(
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


def archive_of(config: Config) -> Archive:
    """Return the folder of deliveries that were relayed and are kept, beside the spool."""
    return Archive(config.state_dir / "deliveries" / "bodies", config.state_dir / "spool")


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


def address_of(config: Config) -> Address | None:
    """Return where the configured broker is, or None for the in-process bus; ConfigurationError when a
    file cannot be used."""
    bus = config.bus
    url = bus.broker_url()
    if url is None:
        return None
    return broker_address(url, ca=bus.ca_file, certificate=bus.cert_file, key=bus.key_file)


def bus_of(config: Config) -> Bus:
    """Return the bus between the roles, not started yet: in this process, or the configured broker."""
    address = address_of(config)
    if address is None:
        return MemoryBus(config.state_dir / "dead")
    return RabbitBus(address, confirm_timeout=config.bus.confirm_timeout)


def engine_of(config: Config) -> BuildStreamEngine:
    """Return the engine over the configured projects; its processes start with their first work."""
    projects = {project.name: project for project in config.project}
    return BuildStreamEngine(projects, config.state_dir, config.engine)


def _coordinator(
    config: Config, project: ProjectConfig, bus: Bus, engine: Engine, hosts: Hosts
) -> tuple[Coordinator, Answers]:
    database = Database(config.stores()[project.name])
    loader = Loader(project=project.name, engine=engine, bus=bus, database=database, clock=time.time)

    @asynccontextmanager
    async def open_sweep(accept: Accept) -> AsyncIterator[Sweep]:
        known = ObservedRefs(database, time.time)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            sweep = Sweep(
                index=lambda: loader.index,
                known=known,
                accept=accept,
                hosts=hosts,
                ask=Asking(session, Accounts(config.upstream), config.sweep.timeout).refs,
                least=config.sweep.interval_least,
                most=config.sweep.interval_most,
                clock=time.time,
            )
            try:
                yield sweep
            finally:
                await sweep.close()

    retry = config.retry
    coordinator = Coordinator(
        project=project.name,
        database=database,
        bus=bus,
        loader=loader,
        open_sweep=open_sweep,
        retry=RetryPolicy(
            first=retry.first, most=retry.most, attempts=retry.attempts, quarantine=retry.quarantine
        ),
        policy=policy_of(project),
        lease=2 * config.engine.deadline,
        clock=time.time,
    )
    answers = Answers(
        project=project.name,
        database=database,
        bus=bus,
        loader=loader,
        epoch=lambda: coordinator.epoch,
        clock=time.time,
    )
    return coordinator, answers


def hosts_of(config: SweepConfig) -> Hosts:
    """Return what paces all questions of this process, whichever project asks."""
    return Hosts(at_once=config.concurrency, per_host=config.per_host, rate=config.rate, clock=time.monotonic)


def policy_of(project: ProjectConfig) -> Policy:
    """Return a project's policy as configured."""
    return Policy(
        [
            (
                [Glob(text) for text in rule.elements],
                ElementPolicy(
                    debounce=rule.debounce,
                    minimum_interval=rule.minimum_interval,
                    rewritten_branch=rule.rewritten_branch,
                    moved_tag=rule.moved_tag,
                ),
            )
            for rule in project.policy
        ]
    )


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


@asynccontextmanager
async def open_registrations(config: Config, patience: float) -> AsyncIterator[Sequence[Registration]]:
    """Yield the hooks that are to be registered at a forge (`hook.api`); `patience` is the longest wait, in
    seconds, for a rate limit. ConfigurationError when a token or an address is missing."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield [_registration(config, hook, session, patience) for hook in config.hook if hook.api]


@asynccontextmanager
async def open_arrived(config: Config) -> AsyncIterator[Arrived]:
    """Yield the record of the ingress with this `state_dir`; Temporary when it cannot be read."""
    if not _book_file(config).exists():
        yield NothingKnown()
        return
    book = DeliveryBook(_book_file(config))
    await book.open()
    try:
        yield KnownBy(book.find)
    finally:
        await book.close()


def _book_file(config: Config) -> Path:
    return config.state_dir / "deliveries" / "book.sqlite"


def checker_of(config: Config, arrived: Arrived, *, tests: bool = False) -> Checker:
    """Return what looks at the hooks; with `tests` it sends one to a hook that the forge switched off."""
    return Checker(arrived, time.time, config.hook_check.concurrency, tests=tests)


def _registration(
    config: Config, hook: HookConfig, session: aiohttp.ClientSession, patience: float
) -> Registration:
    assert hook.api is not None
    public = config.ingress.public_url
    if public is None:
        raise ConfigurationError("ingress.public_url: is needed, for a forge is told where to post to")
    token = read_secret(hook.api.token_file, f"hook {hook.name}: api.token_file")
    try:
        account = account_of(hook.forge, hook.api.url, token)
    except ConfigurationError as error:
        raise ConfigurationError(f"hook {hook.name}: {error}") from error
    client = ApiClient(session, account, timeout=config.hook_check.timeout, patience=patience)
    api = hook_api(hook.forge, client)
    targets = [
        *(Target("repository", path) for path in hook.api.repositories),
        *(Target("group", path) for path in hook.api.groups),
    ]
    if not targets:
        raise ConfigurationError(f"hook {hook.name}: api: name repositories or groups to register it with")
    for target in targets:
        if target.kind not in api.kinds:
            raise ConfigurationError(f"hook {hook.name}: api.groups: {hook.forge} has none here")
    return Registration(
        name=hook.name,
        url=f"{public}/hooks/{hook.name}",
        api=api,
        targets=targets,
        secret_files=hook.secret_files,
    )


async def _at_first_work() -> None:
    """Start nothing: a process begins with the first load or job that needs it."""
