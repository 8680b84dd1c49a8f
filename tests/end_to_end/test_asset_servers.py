"""An unmodified `bst` that pushes through hookfetch, and others with hookfetch beside other caches."""

import asyncio

import pytest

from hookfetch.demo.cache import SourceCache
from tests.end_to_end.conftest import Service, Start
from tests.support.bst_client import BstClient, as_index, as_only_server

pytestmark = pytest.mark.engine

ALL = ("alpha.bst", "beta.bst", "gamma.bst", "delta.bst")


async def test_what_a_client_pushes_through_hookfetch_is_had_beside_caches_that_have_it_and_that_do_not(
    start: Start,
) -> None:
    service = await start()
    await service.ready()
    commit = await service.push("alpha", "nobody told hookfetch")
    for element in ALL[1:]:
        assert (await service.client.fetch(service.lab.project, element)).cached
    (through,) = as_only_server(service.lab)
    with SourceCache(service.lab.root / "filled") as filled, SourceCache(service.lab.root / "empty") as empty:
        plain = {"url": filled.url, "type": "all"}
        pushing = _ahead(service, "pushing", [{**through, "push": True}, {**plain, "push": True}], commit)
        ran = await pushing.fetch(*ALL)
        assert (ran.code, ran.pulled) == (0, 3), ran.told
        ran = await pushing.run("source", "push", *ALL)
        assert ran.code == 0, ran.told
        await asyncio.to_thread(service.lab.upstreams.stop)
        orders = {
            "between": [{"url": empty.url, "type": "all"}, *as_index(service.lab), plain],
            "last": [plain, *as_index(service.lab)],
        }
        clients = {name: _ahead(service, name, servers, commit) for name, servers in orders.items()}
        for ran in await asyncio.gather(*(client.fetch(*ALL) for client in clients.values())):
            assert (ran.code, ran.pulled) == (0, len(ALL)), ran.told
        assert await clients["last"].contents("alpha.bst", "README") == "nobody told hookfetch"


def _ahead(
    service: Service, name: str, servers: list[dict[str, object]], moved: tuple[str, str]
) -> BstClient:
    """Return a client whose alpha is at a commit that hookfetch does not know."""
    client = BstClient(service.lab, servers, name)
    element = client.project / "elements/alpha.bst"
    element.write_text(element.read_text().replace(*moved))
    return client
