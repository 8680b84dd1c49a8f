"""What the projects hold, what follows an upstream, and branches loaded again, over a real coordinator."""

from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from hookfetch.client import (
    Element,
    ElementSource,
    InvalidRequest,
    Located,
    LocatedSource,
    NotFound,
    Project,
    ProjectList,
    Unavailable,
    WorkFailed,
)
from hookfetch.core.errors import Permanent
from hookfetch.core.events import SourceRef, TrackRequested
from hookfetch.core.jobs import Reloaded
from hookfetch.server.grpc.pages import token_of
from hookfetch.v1 import projects_pb2, projects_pb2_grpc
from tests.coordinator.service import NEW, OLD, FakeEngine, element, until, until_rows, url
from tests.server.grpc.gateway_lab import announce, entry, gateway
from tests.server.grpc.test_grpc_operations import operated


async def test_projects_are_listed_with_what_they_hold_and_who_is_silent(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine(), ("p", "q")) as lab:
        listed = await lab.client.projects.list()
        holds = Project(name="p", elements=2, repositories=2, revision=None, unhealthy=None)
        assert listed == ProjectList(projects=(holds,), silent=("q",))


async def test_a_project_is_described_by_its_elements(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.elements = (element("b"), element("a", ref=None), replace(element("c"), name="sub.bst:c.bst"))
    async with operated(tmp_path, engine) as lab:
        told = [each async for each in lab.client.projects.describe("p")]
        assert [(each.name, each.junctioned) for each in told] == [
            ("a.bst", False),
            ("b.bst", False),
            ("sub.bst:c.bst", True),
        ]
        source = SourceRef(index=0, kind="git_repo", url=url("b"), ref=OLD)
        follows = ElementSource(
            source=source, repository="example.org/b", follows=("refs/heads/main", "refs/tags/main")
        )
        assert told[1] == Element(name="b.bst", junctioned=False, sources=(follows,))
        assert told[0].sources[0].source.ref is None
        only = [each.name async for each in lab.client.projects.describe("p", ["sub.bst:*"])]
        assert only == ["sub.bst:c.bst"]
        with pytest.raises(InvalidRequest, match="elements"):
            await anext(lab.client.projects.describe("p", ["[z-a]"]))
        with pytest.raises(NotFound, match="q"):
            await anext(lab.client.projects.describe("q"))


async def test_every_element_comes_once_over_many_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookfetch.client.projects._PAGE", 3)
    engine = FakeEngine()
    engine.elements = tuple(element(f"e{number:02}") for number in range(10))
    async with operated(tmp_path, engine) as lab:
        names = [each.name async for each in lab.client.projects.describe("p")]
        assert names == [f"e{number:02}.bst" for number in range(10)]


async def test_what_follows_an_upstream_is_told_without_a_job(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine()) as lab:
        projects = lab.client.projects
        for address in ("https://example.org/a", "git@example.org:a.git", url("a")):
            assert await projects.affected("p", address, "refs/heads/main") == ("a.bst",)
        assert await projects.affected("p", url("a")) == ("a.bst",)
        assert await projects.affected("p", url("a"), "refs/heads/wip") == ()
        assert await projects.affected("p", url("nobody")) == ()
        for address, ref, field in (("", "", "repository"), ("not a place", "", "repository"),
                                    (url("a"), "main", "ref")):  # fmt: skip
            with pytest.raises(InvalidRequest, match=field):
                await projects.affected("p", address, ref)
        assert await lab.service.rows("SELECT * FROM jobs") == []


async def test_a_branch_is_loaded_again_and_what_that_found_is_told(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with operated(tmp_path, engine) as lab:
        engine.elements = (element("a"), element("b", NEW), element("c"))
        engine.revision = "5" * 40
        found = Reloaded(revision="5" * 40, added=1, changed=1, removed=0)
        assert await lab.client.projects.reload("p", timeout=30) == found
        [project] = (await lab.client.projects.list()).projects
        assert (project.elements, project.revision) == (3, "5" * 40)
        engine.revision = "6" * 40
        engine.load_error = Permanent("project.conf: no such option")
        with pytest.raises(WorkFailed, match="no such option"):
            await lab.client.projects.reload("p", timeout=30)
        [project] = (await lab.client.projects.list()).projects
        assert (project.elements, project.revision) == (3, "5" * 40)
        assert project.unhealthy == "project.conf: no such option"


async def test_a_project_whose_coordinator_is_not_there_is_unavailable(tmp_path: Path) -> None:
    async with gateway(tmp_path) as lab:
        with pytest.raises(Unavailable, match="gnome"):
            await anext(lab.client.projects.describe("gnome"))


async def test_an_element_is_located_by_its_newest_refs(tmp_path: Path) -> None:
    engine = FakeEngine(a=NEW)
    engine.elements = (replace(element("a"), keys=("git_repo/source", "element")), element("b"))
    async with operated(tmp_path, engine) as lab:
        place = SourceRef(index=0, kind="git_repo", url=url("a"), ref=OLD)
        committed = LocatedSource(source=place, key="git_repo/source")
        assert await lab.client.locate("p", "a.bst") == Located(element_key="element", sources=(committed,))
        await lab.service.ask(TrackRequested(id="t", element="a.bst", reply_to=lab.service.inbox.address))
        await until_rows(lambda: lab.service.rows("SELECT * FROM jobs"), [])
        moved = await lab.client.locate("p", "a.bst")
        assert (moved.element_key, moved.sources[0].source.ref) == ("key", NEW)
        assert (await lab.client.locate("p", "b.bst")).element_key is None
        with pytest.raises(NotFound, match=r"none\.bst"):
            await lab.client.locate("p", "none.bst")


async def test_the_newest_update_of_one_element_is_got(tmp_path: Path) -> None:
    async with gateway(tmp_path, entry(1), entry(2), entry(3, "other.bst")) as lab:
        update = await lab.client.get("gnome", "core/glib.bst")
        assert (update.element, update.element_key, update.cursor) == ("core/glib.bst", "key-2", "")
        await announce(lab.bus, entry(4))
        await until(lambda: lab.server._window.last == 4)  # noqa: SLF001  nothing outside shows it
        assert (await lab.client.get("gnome", "core/glib.bst")).element_key == "key-4"
        for project, name in (
            ("gnome", "none.bst"),
            ("elsewhere", "core/glib.bst"),
            ("sdk", "core/glib.bst"),
        ):
            with pytest.raises(NotFound):
                await lab.client.get(project, name)
        for project, name, field in (("", "a", "project"), ("gnome", "", "element")):
            with pytest.raises(InvalidRequest, match=field):
                await lab.client.get(project, name)


async def test_a_token_that_no_page_gave_is_refused_whatever_is_in_it(tmp_path: Path) -> None:
    async with operated(tmp_path, FakeEngine()) as lab:
        stub = projects_pb2_grpc.ProjectServiceStub(lab.client._channel)  # noqa: SLF001  a token by hand
        for token in ("x", token_of([1]), token_of(["\ud800"])):
            request = projects_pb2.DescribeProjectRequest(project="p", page_token=token)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Describe(request, timeout=10)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
