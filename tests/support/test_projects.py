"""The index over real projects as the real BuildStream loads them, against the recorded facts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.core.matching import Index
from hookfetch.core.repository import identify
from hookfetch.core.sources import LoadedProject
from hookfetch.engine.supervisor import BuildStreamEngine
from tests.support.projects import GIT_KINDS, GeneratedProject, generate_project

FACTS = Path(__file__).parents[2].parent / "shared/projects"

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module", params=["gnome-build-meta", "freedesktop-sdk"])
def generated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GeneratedProject:
    return generate_project(FACTS / f"{request.param}.json", tmp_path_factory.mktemp("real") / "project")


@pytest.fixture(scope="module")
def loaded(generated: GeneratedProject) -> LoadedProject:
    async def load() -> LoadedProject:
        project = ProjectConfig(name="real", path=generated.path)
        engine = BuildStreamEngine(
            {"real": project}, generated.path.with_name("state"), EngineConfig(processes=1)
        )
        try:
            return await engine.load("real")
        finally:
            await engine.close()

    return asyncio.run(load())


def tracked(generated: GeneratedProject) -> Iterator[tuple[str, int, str]]:
    """Every git source with a `track`: element, index, resolved URL."""
    for element, sources in generated.sources.items():
        for index, source in enumerate(sources):
            if source["kind"] in GIT_KINDS and source.get("track"):
                yield element, index, generated.resolve(source["url"])


def test_buildstream_loads_every_generated_element_with_all_its_sources(
    generated: GeneratedProject, loaded: LoadedProject
) -> None:
    assert loaded.name == generated.name
    kinds = {element.name: [source.kind for source in element.sources] for element in loaded.elements}
    assert kinds == {name: [s["kind"] for s in sources] for name, sources in generated.sources.items()}


def test_every_tracked_git_source_is_found_by_its_url_in_every_form(
    generated: GeneratedProject, loaded: LoadedProject
) -> None:
    index = Index.of(loaded.elements)
    missed = []
    for element, number, url in tracked(generated):
        place = urlsplit(url)
        host, path = place.netloc, place.path.removeprefix("/")
        for form in (
            url,
            url.removesuffix(".git"),
            f"ssh://git@{host}/{path}",
            f"ssh://git@{host}:2222/{path}",
            f"git@{host}:{path}",
        ):
            repository = identify(form)
            assert repository is not None
            followers = index.followers(repository)
            if (element, number) not in [(found.element, found.source.index) for found in followers]:
                missed.append((element, number, form))
    assert missed == []


def test_the_index_follows_nothing_else(generated: GeneratedProject, loaded: LoadedProject) -> None:
    index = Index.of(loaded.elements)
    expected = {identify(url) for _, _, url in tracked(generated)}
    assert index.repositories().keys() == expected
    followers = {
        (follower.element, follower.source.index)
        for repository in index.repositories()
        for follower in index.followers(repository)
    }
    assert followers == {(element, number) for element, number, _ in tracked(generated)}
    assert index.identities() > index.repositories().keys()  # the mirrors too
