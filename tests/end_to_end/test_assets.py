"""An unmodified `bst` whose source cache is hookfetch: what it gets from it."""

import asyncio
from collections import Counter

import pytest

from hookfetch.demo.cache import SourceCache
from hookfetch.demo.lab import Lab
from tests.end_to_end.conftest import WITHIN, Service, Start
from tests.end_to_end.test_own_repository import idle, in_a_repository
from tests.support.bst_client import BstClient, Ran, as_index, as_only_server

pytestmark = pytest.mark.engine

ALL = ("alpha.bst", "beta.bst", "gamma.bst", "delta.bst")


def served(ran: Ran, count: int = len(ALL)) -> None:
    assert (ran.code, ran.pulled) == (0, count), ran.told


def jobs(service: Service) -> Counter[str]:
    """Return how often the workers have finished a job of each element."""
    return Counter(str(line["element"]) for line in service.serve.lines if line["event"] == "finished")


def expire(cache: SourceCache, lab: Lab) -> None:
    """Have the storage lose every blob; its index goes on to know the names."""
    cache.stop()
    objects = lab.root / "source-cache/cas/cas/objects"
    for file in [file for file in objects.rglob("*") if file.is_file()]:
        file.unlink()
    cache.start()


async def test_with_dead_upstreams_a_client_gets_all_that_is_cached_and_what_the_storage_had_expired(
    start: Start,
) -> None:
    service = await start()
    await service.ready()
    for element in ALL:
        assert (await service.client.fetch(service.lab.project, element, timeout=WITHIN)).cached
    await asyncio.to_thread(service.lab.upstreams.stop)
    indexed = BstClient(service.lab, as_index(service.lab), "indexed")
    served(await indexed.fetch(*ALL))
    assert await indexed.contents("alpha.bst", "README") == "alpha, as it was\n"
    alone = BstClient(service.lab, as_only_server(service.lab), "alone")
    served(await alone.fetch(*ALL))
    assert await alone.contents("delta.bst", "README") == "delta\n"
    before = jobs(service)
    await asyncio.to_thread(expire, service.lab.cache, service.lab)
    served(await BstClient(service.lab, as_index(service.lab), "late").fetch(*ALL))
    assert set((jobs(service) - before).values()) == {1}


async def test_what_is_missing_is_fetched_once_and_what_is_not_known_comes_from_upstream(
    start: Start,
) -> None:
    service = await start()
    await service.ready()
    both = [BstClient(service.lab, as_index(service.lab), name) for name in ("one", "two")]
    for ran in await asyncio.gather(*(client.fetch(*ALL) for client in both)):
        served(ran)
    assert jobs(service) == Counter(ALL)

    client = BstClient(service.lab, as_index(service.lab), "ahead")
    before, after = await service.push("alpha", "nobody told hookfetch")
    element = client.project / "elements/alpha.bst"
    element.write_text(element.read_text().replace(before, after))
    served(await client.fetch(*ALL), 3)
    assert await client.contents("alpha.bst", "README") == "nobody told hookfetch"
    assert jobs(service) == Counter(ALL)


async def test_beside_another_index_server_whole_elements_are_served_in_either_order(start: Start) -> None:
    service = await start()
    await service.ready()
    with SourceCache(service.lab.root / "other-cache") as other:
        plain = {"url": other.url, "type": "all"}
        hookfetch = as_index(service.lab)
        pulled = {}
        for name, servers in (("first", [*hookfetch, plain]), ("last", [plain, *hookfetch])):
            client = BstClient(service.lab, servers, name)
            # hookfetch knows its sources, and not the two of them as one element.
            alpha = (client.project / "elements/alpha.bst").read_text()
            gamma = (client.project / "elements/gamma.bst").read_text().partition("sources:\n")[2]
            (client.project / "elements/both.bst").write_text(f"{alpha}{gamma}  directory: gamma\n")
            served(await client.fetch(*ALL))
            ran = await client.fetch("both.bst")
            assert ran.code == 0, ran.told
            pulled[name] = ran.pulled
            client.forget()
    # BuildStream asks every index for a single source, and takes the last one's word.
    assert pulled == {"first": 0, "last": 2}


async def test_what_the_projects_branch_has_left_behind_is_made_again_as_of_its_commit(start: Start) -> None:
    service = await start(before=in_a_repository)
    await service.ready("alpha", "project")
    await idle(service)
    past = BstClient(service.lab, as_index(service.lab), "past")
    project = service.lab.repositories["project"]
    before = project.commit_of("refs/heads/main") or ""
    moved = (past.project / "elements/alpha.bst").read_text() + "  directory: elsewhere\n"
    after = await asyncio.to_thread(project.commit, {"elements/alpha.bst": moved}, "Another key")
    await service.post("project", before, after)
    await service.serve.line("loaded again", lambda line: line.get("revision") == after, WITHIN)
    await idle(service)
    await asyncio.to_thread(expire, service.lab.cache, service.lab)
    served(await past.fetch("alpha.bst", "beta.bst"), 2)
    assert await past.contents("alpha.bst", "README") == "alpha, as it was\n"
