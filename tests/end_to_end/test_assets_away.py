"""An unmodified `bst` whose source cache is hookfetch, which is away or goes away: its jobs do not fail."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from hookfetch.demo.lab import free_port
from hookfetch.demo.processes import Serve
from tests.end_to_end.conftest import WITHIN, Service, Start
from tests.support.bst_client import BstClient, as_index

pytestmark = pytest.mark.engine

# Of its own accord a client waits some 20 s for a server that is not there.
IMPATIENT = {"connection-config": {"retry-limit": 1, "retry-delay": 100}}


async def test_hookfetch_killed_in_mid_request_and_started_again_or_not_started_at_all(start: Start) -> None:
    service = await start()
    await service.ready()
    os.kill(service.lab.upstreams.pid, signal.SIGSTOP)
    # Each of its tries lasts some 9 s; a busy machine starts hookfetch in more than the usual three.
    client = BstClient(service.lab, as_index(service.lab), "waiting", retries=10)
    waiting = asyncio.create_task(client.fetch("alpha.bst"))
    await service.serve.line("asked for", lambda line: line.get("event_type") == "job_begun", WITHIN)
    await service.serve.kill()
    os.kill(service.lab.upstreams.pid, signal.SIGCONT)
    await service.serve.start()
    ran = await waiting
    assert ran.code == 0, ran.told
    assert await client.contents("alpha.bst", "README") == "alpha, as it was\n"

    await service.serve.stop()
    servers = [IMPATIENT | server for server in as_index(service.lab)]
    absent = BstClient(service.lab, servers, "absent")
    ran = await absent.fetch("alpha.bst", "delta.bst")
    assert (ran.code, ran.pulled) == (0, 0), ran.told
    assert await absent.contents("delta.bst", "README") == "delta\n"


@pytest.mark.broker
async def test_two_gateways_fetch_once_and_without_a_coordinator_what_is_cached_is_served(
    start: Start, amqp_url: str
) -> None:
    service = await start(amqp_url)
    await service.ready()
    async with _another_gateway(service) as other:
        clients = [
            BstClient(service.lab, as_index(service.lab), "served"),
            BstClient(service.lab, other, "other"),
        ]
        for ran in await asyncio.gather(*(client.fetch("alpha.bst", "beta.bst") for client in clients)):
            assert (ran.code, ran.pulled) == (0, 2), ran.told
    done = [line["element"] for line in service.serve.lines if line["event"] == "finished"]
    assert sorted(map(str, done)) == ["alpha.bst", "beta.bst"]
    coordinator = service.serve.pids[1]
    os.kill(coordinator, signal.SIGKILL)
    left = BstClient(service.lab, as_index(service.lab), "left")
    ran = await left.fetch("alpha.bst", "beta.bst", "gamma.bst", "delta.bst")
    assert (ran.code, ran.pulled) == (0, 2), ran.told
    assert await left.contents("gamma.bst", "README") == "gamma, as it was\n"


@asynccontextmanager
async def _another_gateway(service: Service) -> AsyncIterator[list[dict[str, object]]]:
    """Have a second gateway of the service run for a `with` block; give the servers of its clients."""
    lab, address = service.lab, f"127.0.0.1:{free_port()}"
    config = lab.config.with_name("another.toml")
    config.write_text(lab.config.read_text().replace(lab.grpc, address))
    folder = lab.root / "another"
    folder.mkdir()
    gateway = Serve(config, folder, ["gateway"])
    try:
        await gateway.start()
        async with grpc.aio.insecure_channel(address) as channel, asyncio.timeout(WITHIN):
            await channel.channel_ready()
        yield [{"url": f"http://{address}", "type": "index"}, {"url": lab.cache.url, "type": "storage"}]
    finally:
        await gateway.stop()
