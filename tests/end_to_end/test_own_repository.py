"""A project in a repository of its own: hookfetch's clone of it, two branches, and what a push to it does."""

import asyncio
from pathlib import Path

import pytest

from hookfetch.client.values import Settlement
from hookfetch.demo.lab import Lab
from hookfetch.demo.repositories import create_repository
from tests.end_to_end.conftest import WITHIN, Service, Start

pytestmark = pytest.mark.engine

_NEW_ELEMENT = (
    "kind: import\nsources:\n- kind: git_repo\n  url: upstream:epsilon.git\n  track: main\n  ref: {ref}\n"
)


def in_a_repository(lab: Lab) -> None:
    """Put the lab's project into a repository with the branches `main` and `stable`, and let the service
    make its own clone of it."""
    repository = create_repository(lab.root / "upstreams", "project")
    files = {
        str(path.relative_to(lab.root / "project")): path.read_text()
        for path in sorted((lab.root / "project").rglob("*"))
        if path.is_file()
    }
    first = repository.commit(files, "First")
    repository.point("refs/heads/stable", first)
    lab.repositories["project"] = repository
    text = lab.config.read_text()
    url = repository.url(lab.upstreams.url)
    lab.config.write_text(
        text.replace('path = "project"', f'repository = "{url}"\nbranches = ["main", "stable"]')
    )
    lab.project = f"{lab.project}@main"


async def _commit(service: Service, files: dict[str, str]) -> str:
    """Commit to the project's branch, post the forge's delivery, and return the delivery's id."""
    repository = service.lab.repositories["project"]
    before = repository.commit_of("refs/heads/main")
    assert before is not None
    after = await asyncio.to_thread(repository.commit, files, "Change")
    return await service.post("project", before, after)


async def test_a_push_to_the_project_reloads_its_branch(start: Start, amqp: str | None) -> None:
    service = await start(amqp, before=in_a_repository)
    lab = service.lab
    await service.ready("alpha", "project")
    name = lab.project.partition("@")[0]
    await idle(service)
    # Before anyone asks, and before anything moved, the cache has it all: two branches, fetched once.
    alpha = lab.root / "project/elements/alpha.bst"
    fetched = await asyncio.to_thread(lab.bst, "source", "fetch", "delta.bst")
    assert fetched.returncode == 0, fetched.stderr

    before, after = await service.push("alpha", "moved")
    await service.post("alpha", before, after)
    watch = service.client.watch(projects=[lab.project], start="oldest", patience=WITHIN)
    try:
        async with asyncio.timeout(WITHIN):
            update = await anext(watch)
            assert update.element == "alpha.bst"
            # It lands in one branch, beside a new element, and stays proposed in the other.
            epsilon = create_repository(lab.root / "upstreams", "epsilon")
            first = epsilon.commit({"README": "epsilon"}, "First")
            changed = alpha.read_text().replace(before, after)
            told = await _commit(
                service,
                {"elements/alpha.bst": changed, "elements/epsilon.bst": _NEW_ELEMENT.format(ref=first)},
            )
            landed = await anext(watch)
            assert isinstance(landed, Settlement)
            assert (landed.element, landed.outcome, landed.causes) == ("alpha.bst", "landed", (told,))
            assert landed.revision == lab.repositories["project"].commit_of("refs/heads/main")
        await idle(service)
        (lab.root / "project/elements/epsilon.bst").write_text(_NEW_ELEMENT.format(ref=first))
        await asyncio.to_thread(_lose, epsilon.path)
        fetched = await asyncio.to_thread(lab.bst, "source", "fetch", "epsilon.bst")
        assert fetched.returncode == 0, fetched.stderr
        stable = await service.client.operations.explain(f"{name}@stable", "alpha.bst")
        assert (stable.sources[0].committed, stable.sources[0].proposed) == (before, after)

        # A commit that does not load is said, and what loads stays in use.
        await _commit(service, {"elements/alpha.bst": "kind: nonsense\n"})
        async with asyncio.timeout(WITHIN):
            while (state := (await service.client.operations.state()).projects)[0].unhealthy is None:
                await asyncio.sleep(0.05)
        assert [each.project for each in state] == [f"{name}@main", f"{name}@stable"]
        assert "nonsense" in str(state[0].unhealthy)
        assert state[1].unhealthy is None
        before, after = await service.push("beta", "moved")
        before, after = await service.push("gamma", "moved")
        await service.post("gamma", before, after)
        async with asyncio.timeout(WITHIN):
            assert (await anext(watch)).element == "gamma.bst"
    finally:
        await watch.aclose()


def _lose(repository: Path) -> None:
    repository.rename(repository.with_suffix(".lost"))


async def idle(service: Service) -> None:
    """Wait until no project has an open job."""
    async with asyncio.timeout(WITHIN):
        while any(each.waiting + each.running for each in (await service.client.operations.state()).projects):
            await asyncio.sleep(0.05)
