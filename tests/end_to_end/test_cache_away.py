"""A source cache goes away and comes back, with each role a process of its own: nothing is
lost, no element is blamed, and it is not besieged."""

import asyncio
from contextlib import ExitStack

from hookfetch.config import EngineConfig
from hookfetch.demo.lab import Lab
from hookfetch.demo.repositories import create_repository
from hookfetch.engine.pool import in_flight
from tests.end_to_end.conftest import WITHIN, Start
from tests.support.cache_proxy import CacheProxy

NAMES = [f"e{number:02}" for number in range(20)]
ELEMENT = "kind: import\nsources:\n- kind: git\n  url: upstream:{name}.git\n  track: main\n  ref: {commit}\n"


async def test_twenty_pushes_are_announced_in_order_once_the_cache_is_back(
    start: Start, amqp_url: str
) -> None:
    with ExitStack() as stack:
        proxies: list[CacheProxy] = []

        def prepare(lab: Lab) -> None:
            proxies.append(stack.enter_context(CacheProxy(lab.cache.url)))
            lab.config.write_text(lab.config.read_text().replace(lab.cache.url, proxies[0].url))
            for name in NAMES:
                repository = lab.repositories[name] = create_repository(lab.root / "upstreams", name)
                commit = repository.commit({"README": name}, "First")
                text = ELEMENT.format(name=name, commit=commit)
                (lab.root / f"project/elements/{name}.bst").write_text(text)

        service = await start(amqp_url, "[engine]\nprocesses = 1\n", before=prepare)
        (proxy,) = proxies
        await service.ready(*NAMES)
        await asyncio.to_thread(service.lab.cache.stop)
        for name in NAMES:
            await service.post(name, *await service.push(name, f"new {name}"))
        async with asyncio.timeout(WITHIN):
            while (page := await service.client.operations.elements()).counts.get("held") != len(NAMES):
                await asyncio.sleep(0.1)
        assert {each.failures for each in page.elements} == {0}
        assert all("not there since" in str(each.reason) for each in page.elements)
        assert not [line for line in service.serve.lines if line["event"] == "failed"]
        # At most what had begun when it went away finds out for itself; then one probe at a time asks.
        assert proxy.calls["FetchBlob"] < 15

        await asyncio.to_thread(service.lab.cache.start)
        # Sooner than by itself, which takes as long again as the cache was away.
        await service.client.operations.retry(service.lab.project, f"{NAMES[0]}.bst")
        updates = await service.updates(len(NAMES))
        # In the order in which they were held, but for the few that the worker has at once.
        places = {update.element: place for place, update in enumerate(updates)}
        assert len(places) == len(NAMES)
        at_once = in_flight(EngineConfig(processes=1))
        assert all(abs(places[f"{name}.bst"] - place) < at_once for place, name in enumerate(NAMES))
        assert all(update.cached for update in updates)
        assert len([line for line in service.serve.lines if line["event"] == "source cache away"]) == 1
