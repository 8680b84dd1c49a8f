import asyncio
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.client import Client, Unavailable
from hookfetch.core.errors import ConfigurationError, Temporary
from hookfetch.core.ports import Handler, Message, Subscription
from hookfetch.server.grpc.server import GrpcServer
from tests.server.grpc.gateway_lab import announce, entry, gateway, take, until

SERVICES = ("hookfetch.v1.RefService", "hookfetch.v1.SourceService")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def _health(target: str, service: str) -> int:
    async with grpc.aio.insecure_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return int((await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)).status)


async def test_health_says_serving_once_the_log_was_read(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1)) as lab:
        assert await _health(lab.target, "") == NOT_SERVING
        await lab.client.list()  # answers once the log was read
        async with asyncio.timeout(10):
            while await _health(lab.target, "") != SERVING:
                await asyncio.sleep(0.01)
        for service in SERVICES:
            assert await _health(lab.target, service) == SERVING


async def test_reflection_lists_the_services(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab, grpc.aio.insecure_channel(lab.target) as channel:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        response = await anext(aiter(stub.ServerReflectionInfo(iter([request]), timeout=10)))
        names = {service.name for service in response.list_services_response.service}
        assert names >= {*SERVICES, "grpc.health.v1.Health"}


async def test_a_port_that_another_gateway_has_is_refused(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        second = GrpcServer(lab.bus, ["gnome"], lab.target)
        with pytest.raises(ConfigurationError, match=r"grpc\.listen"):
            await second.start()
        await second.stop(0)


class BusWithoutLog(MemoryBus):
    """A bus whose log is out of reach."""

    async def follow(self, handler: Handler) -> Subscription:
        raise Temporary("the broker is unreachable")


async def test_a_start_that_fails_leaves_no_port_and_no_inbox(tmp_path: Path) -> None:
    bus = BusWithoutLog(tmp_path / "dead")
    server = GrpcServer(bus, ["gnome"], "127.0.0.1:0")
    with pytest.raises(Temporary):
        await server.start()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    await bus.close()


async def test_stopping_sends_watchers_away_at_once(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab, Client(lab.target) as client:
        watch = client.watch(patience=0)
        waiting = asyncio.create_task(take(watch, 1))
        await until(lambda: watch.cursor is not None)
        async with asyncio.timeout(5):
            await lab.server.stop(60)
            with pytest.raises(Unavailable):
                await waiting


async def test_an_entry_that_is_none_does_not_stop_the_log(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab, lab.client.watch(start="oldest") as watch:
        await lab.bus.publish_entry(Message(id="x", body=b"{}"))
        await announce(lab.bus, entry(1))
        assert len(await take(watch, 1)) == 1
