"""Configuration in, running parts out. The only package that names concrete classes; read from top
to bottom `build` is the architecture.
"""

import time
from collections.abc import Collection
from functools import partial

from hookfetch.bootstrap.access import access_of, credentials_of, grpc_limits_of, supplied_of
from hookfetch.bootstrap.assets import assets_of
from hookfetch.bootstrap.bus import bus_of
from hookfetch.bootstrap.coordinating import coordinator_of, engine_of, policy_of
from hookfetch.bootstrap.feeding import shared_feeds_of
from hookfetch.bootstrap.originals import originals_address, originals_of
from hookfetch.bootstrap.receiving import book_file, limits_of, load_hooks, relaying, spools_of
from hookfetch.bootstrap.registering import checker_of, open_arrived, open_registrations
from hookfetch.bootstrap.sweeping import looks_of
from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.config import ROLES, Config
from hookfetch.core.errors import ConfigurationError
from hookfetch.engine.pool import in_flight
from hookfetch.hooks.registration import KnownBy
from hookfetch.hooks.watching import HookWatch
from hookfetch.originals.upkeep import Upkeep
from hookfetch.server.grpc.server import GrpcServer
from hookfetch.server.http import HttpServer
from hookfetch.server.ingress import Ingress
from hookfetch.server.secret_watch import SecretWatch
from hookfetch.service import Part
from hookfetch.spool.book import DeliveryBook
from hookfetch.upstreams.accounts import Accounts
from hookfetch.worker import Worker

__all__ = [
    "build",
    "bus_of",
    "checker_of",
    "engine_of",
    "load_hooks",
    "open_arrived",
    "open_registrations",
    "policy_of",
    "spools_of",
]

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
    access, tokens = access_of(config)
    parts = [Part("tokens", tokens.start, tokens.stop)]
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
        looks = looks_of(config.sweep)
        feeds = shared_feeds_of(config, looks.hosts)
        Accounts(config.upstream).check()
        for project in config.projects():
            coordinator, answers = coordinator_of(config, project, bus, engine, looks, feeds)
            parts.append(
                Part(f"coordinator {project.name}", coordinator.start, coordinator.stop, patient=True)
            )
            parts.append(Part(f"answers {project.name}", answers.start, answers.stop, patient=True))
    if "worker" in roles:
        worker = Worker(bus, engine, in_flight(config.engine))
        parts.append(Part("worker", worker.start, worker.stop, patient=True))
        upkeep = Upkeep(config.state_dir, config.engine.mirrors_bytes)
        parts.append(Part("mirrors", upkeep.start, upkeep.stop))
        parts += originals_of(config, access)
    if "gateway" in roles:
        gateway = GrpcServer(
            bus,
            [project.name for project in config.projects()],
            config.grpc.listen,
            assets=assets_of(config),
            access=access,
            limits=grpc_limits_of(config),
            credentials=credentials_of(config),
            supplied=supplied_of(config),
            originals=originals_address(config),
        )
        parts.append(Part("gateway", gateway.start, partial(gateway.stop, _GRACE)))
    if "ingress" in roles:
        book = DeliveryBook(book_file(config))
        parts += relaying(config, hooks, spools, bus, book)
        if any(hook.api for hook in config.hook):
            checker = checker_of(config, KnownBy(book.find))
            registrations = partial(open_registrations, config, _RATE_PATIENCE)
            watch = HookWatch(registrations, checker, config.hook_check.interval, time.time)
            parts.append(Part("hooks", watch.start, watch.stop))
    return parts


async def _at_first_work() -> None:
    """Start nothing: a process begins with the first load or job that needs it."""
