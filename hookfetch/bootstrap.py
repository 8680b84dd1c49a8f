"""Configuration in, running parts out. The only file that names concrete classes; read from top
to bottom it is the architecture.
"""

import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial

import aiohttp

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.config import ROLES, Config, ProjectConfig, read_secret
from hookfetch.coordinator.coordinator import Coordinator
from hookfetch.coordinator.loader import Loader
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.ports import Bus, Engine
from hookfetch.core.state import RetryPolicy
from hookfetch.engine.supervisor import BuildStreamEngine
from hookfetch.forges import load_forges
from hookfetch.server.grpc.server import GrpcServer
from hookfetch.server.http import HttpServer
from hookfetch.server.ingress import Hook, ingress_app
from hookfetch.server.relay import Relay
from hookfetch.service import Part
from hookfetch.spool.spool import SegmentSpool
from hookfetch.store.database import Database
from hookfetch.store.observed import ObservedRefs
from hookfetch.upstreams.sweep import Accept, Sweep
from hookfetch.worker import Worker

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
        spool = SegmentSpool(config.state_dir / "spool", config.ingress.spool_max)
        application = ingress_app(hooks, spool, time.time, config.ingress.max_body)
        door = HttpServer(application, config.ingress.listen)
        parts += [Part("spool", spool.open, spool.close), Part("ingress", door.start, door.stop)]
    parts.append(Part("bus", bus.start, bus.close, patient=True))
    if "coordinator" in roles or "worker" in roles:
        engine = engine_of(config)
        parts.append(Part("engine", _at_first_work, engine.close))
    if "coordinator" in roles:
        for project in config.project:
            coordinator = _coordinator(config, project, bus, engine)
            parts.append(
                Part(f"coordinator {project.name}", coordinator.start, coordinator.stop, patient=True)
            )
    if "worker" in roles:
        worker = Worker(bus, engine, config.engine.processes)
        parts.append(Part("worker", worker.start, worker.stop, patient=True))
    if "gateway" in roles:
        gateway = GrpcServer(bus, [project.name for project in config.project], config.grpc.listen)
        parts.append(Part("gateway", gateway.start, partial(gateway.stop, _GRACE)))
    if "ingress" in roles:
        relay = Relay(spool, {name: hook.forge for name, hook in hooks.items()}, bus)
        parts.append(Part("relay", relay.start, relay.stop))
    return parts


def bus_of(config: Config) -> Bus:
    """Return the bus between the roles, not started yet: in this process, or the configured broker."""
    url = config.bus.broker_url()
    if url is None:
        return MemoryBus(config.state_dir / "dead")
    return RabbitBus(url, confirm_timeout=config.bus.confirm_timeout)


def engine_of(config: Config) -> BuildStreamEngine:
    """Return the engine over the configured projects; its processes start with their first work."""
    projects = {project.name: project for project in config.project}
    return BuildStreamEngine(projects, config.state_dir, config.engine)


def _coordinator(config: Config, project: ProjectConfig, bus: Bus, engine: Engine) -> Coordinator:
    database = Database(config.state_dir / "projects" / project.name / "store.sqlite")
    loader = Loader(project=project.name, engine=engine, bus=bus, database=database)

    @asynccontextmanager
    async def open_sweep(accept: Accept) -> AsyncIterator[Sweep]:
        known = ObservedRefs(database, time.time)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            sweep = Sweep(lambda: loader.index, known, accept, session, config.sweep, time.time)
            try:
                yield sweep
            finally:
                await sweep.close()

    retry = config.retry
    return Coordinator(
        project=project.name,
        database=database,
        bus=bus,
        loader=loader,
        open_sweep=open_sweep,
        retry=RetryPolicy(
            first=retry.first, most=retry.most, attempts=retry.attempts, quarantine=retry.quarantine
        ),
        lease=2 * config.engine.deadline,
        clock=time.time,
    )


def load_hooks(config: Config) -> Mapping[str, Hook]:
    """Return the configured hooks with their forges and secrets; ConfigurationError names what is missing."""
    forges = load_forges()
    hooks = {}
    for hook in config.hook:
        if hook.forge not in forges:
            known = ", ".join(sorted(forges))
            raise ConfigurationError(f"hook {hook.name}: forge {hook.forge!r} is unknown; known are {known}")
        secrets = tuple(read_secret(file, f"hook {hook.name}") for file in hook.secret_files)
        hooks[hook.name] = Hook(name=hook.name, forge=forges[hook.forge], secrets=secrets)
    return hooks


async def _at_first_work() -> None:
    """Start nothing: a process begins with the first load or job that needs it."""
