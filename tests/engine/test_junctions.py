"""Elements behind junctions: they are loaded with their project, and worked on like any other."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.core.errors import Permanent
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Job
from hookfetch.core.ports import Finished
from hookfetch.core.sources import LoadedProject
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.repositories import Repository, create_repository
from hookfetch.demo.upstreams import UpstreamServer
from hookfetch.engine.supervisor import BuildStreamEngine
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.clone import Clone
from tests.engine.lab import PLUGINS, Bench, Lab, ignore, running

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


def project_conf(lab: Lab, name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "min-version": "2.4",
        "element-path": "elements",
        "aliases": {"up": f"{lab.server}/"},
        "plugins": PLUGINS,
        **more,
    }


def imports(repository: str, **more: Any) -> dict[str, Any]:
    source = {"kind": "git_repo", "url": f"up:{repository}.git", "track": "main", **more}
    return {"kind": "import", "sources": [source]}


@dataclass
class Nested:
    """`all.bst` needs elements behind the git junction `sdk.bst`, the local one `near.bst`, and the one
    behind it, `near.bst:inner.bst`."""

    lab: Lab
    upstream: Repository
    sdk: Repository

    @classmethod
    def make(cls, lab: Lab, **more: Any) -> "Nested":
        lab.write("project.conf", project_conf(lab, "lab", **more))
        upstream, sdk = lab.repository("foo"), lab.repository("sdk")
        made = sdk.commit(
            {
                "project.conf": json.dumps(project_conf(lab, "sdk")),
                "elements/foo.bst": json.dumps(imports("foo")),
                "elements/unused.bst": json.dumps(imports("nowhere")),
            },
            "the project behind it",
        )
        junction = {"kind": "junction", "sources": [{"kind": "local", "path": "near"}]}
        lab.write("elements/sdk.bst", {**imports("sdk", ref=made), "kind": "junction"})
        lab.write("elements/near.bst", junction)
        lab.write("near/project.conf", project_conf(lab, "near"))
        lab.write("near/elements/bar.bst", {"kind": "stack", "depends": ["inner.bst:deep.bst"]})
        lab.write(
            "near/elements/inner.bst", {"kind": "junction", "sources": [{"kind": "local", "path": "in"}]}
        )
        lab.write("near/in/project.conf", project_conf(lab, "inner"))
        lab.write("near/in/elements/deep.bst", imports("foo", directory="deep"))
        lab.write("elements/all.bst", {"kind": "stack", "depends": ["sdk.bst:foo.bst", "near.bst:bar.bst"]})
        lab.write("elements/link.bst", {"kind": "link", "config": {"target": "sdk.bst:foo.bst"}})
        return cls(lab, upstream, sdk)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nested(
    tmp_path_factory: pytest.TempPathFactory,
    upstreams: tuple[Path, UpstreamServer],
    source_cache: SourceCache,
) -> AsyncIterator[tuple[Bench, Nested]]:
    root, server = upstreams
    (root / "nested").mkdir()
    lab = Lab(tmp_path_factory.mktemp("nested"), f"{server.url}/nested", root / "nested", "nested")
    made = Nested.make(lab)
    async with running(lab, source_cache.url) as bench:
        yield bench, made


async def run(bench: Bench, element: str, *refs: SourceRef) -> Finished:
    job = Job(id=f"job-{element}", project="lab", element=element, epoch=1, track=True, refs=refs)
    return await bench.engine.run(job, ignore)


def refs(loaded: LoadedProject, element: str) -> list[Any]:
    (found,) = (each for each in loaded.elements if each.name == element)
    return [source.ref for source in found.sources]


async def test_what_elements_need_from_behind_junctions_is_loaded_under_its_full_name(
    nested: tuple[Bench, Nested],
) -> None:
    bench, made = nested
    loaded = await bench.engine.load("lab")
    assert loaded.name == "lab"
    behind = {"near.bst:bar.bst", "near.bst:inner.bst:deep.bst", "sdk.bst:foo.bst"}
    assert {element.name for element in loaded.elements} == {"all.bst", "near.bst", "sdk.bst", *behind}
    (foo,) = (element for element in loaded.elements if element.name == "sdk.bst:foo.bst")
    assert foo.sources[0].urls == (f"{made.lab.server}/foo.git",)
    assert refs(loaded, "sdk.bst") == [made.sdk.commit_of("refs/heads/main")]


@pytest.mark.parametrize("element", ["sdk.bst:foo.bst", "near.bst:inner.bst:deep.bst"])
async def test_an_element_behind_a_junction_is_tracked_fetched_and_pushed(
    nested: tuple[Bench, Nested], element: str
) -> None:
    bench, made = nested
    await bench.engine.load("lab")
    finished = await run(bench, element)
    assert [ref.ref for ref in finished.refs] == [made.upstream.commit_of("refs/heads/main")]
    assert finished.cached


async def test_a_junction_is_tracked_like_any_element(nested: tuple[Bench, Nested]) -> None:
    bench, made = nested
    await bench.engine.load("lab")
    newer = made.sdk.commit({"README": "newer"}, "newer")
    finished = await run(bench, "sdk.bst")
    assert ([ref.ref for ref in finished.refs], finished.cached) == ([newer], True)


async def test_the_refs_of_another_project_are_those_of_the_top_one_s_project_refs(lab: Lab) -> None:
    made = Nested.make(lab, **{"ref-storage": "project.refs"})
    wanted = "1" * 40
    ref = made.sdk.commit_of("refs/heads/main")
    lab.write("elements/sdk.bst", {**imports("sdk"), "kind": "junction"})
    lab.write("junction.refs", {"projects": {"lab": {"sdk.bst": [{"ref": ref}]}}})
    lab.write("project.refs", {"projects": {"sdk": {"foo.bst": [{"ref": wanted}]}}})
    async with running(lab, None) as bench:
        loaded = await bench.engine.load("lab")
        assert (refs(loaded, "sdk.bst"), refs(loaded, "sdk.bst:foo.bst")) == ([ref], [wanted])
        finished = await run(bench, "sdk.bst:foo.bst")
        assert [ref.ref for ref in finished.refs] == [made.upstream.commit_of("refs/heads/main")]


async def test_a_junction_s_upstream_that_is_gone_is_named_until_it_is_back(lab: Lab) -> None:
    made = Nested.make(lab)
    away = made.sdk.path.rename(made.sdk.path.with_name("away.git"))
    async with running(lab, None) as bench:
        with pytest.raises(Permanent, match=r"the project behind sdk\.bst cannot be fetched: .+") as failure:
            await bench.engine.load("lab")
        assert "\n" not in str(failure.value)
        away.rename(made.sdk.path)
        assert refs(await bench.engine.load("lab"), "sdk.bst:foo.bst") == [None]


async def test_a_junction_that_a_killed_process_had_begun_to_stage_is_staged_again(lab: Lab) -> None:
    Nested.make(lab)
    async with running(lab, None) as bench:
        await bench.engine.load("lab")
        (whole,) = (lab.project / ".bst/staged-junctions/sdk.bst").iterdir()
        whole.rename(lab.root / "elsewhere")
        whole.mkdir()
        await bench.engine.load("lab")
        assert (whole / "project.conf").is_file()


async def test_a_work_tree_keeps_no_project_that_its_junctions_stand_for_no_more(lab: Lab) -> None:
    made = Nested.make(lab)
    own = create_repository(lab.upstreams, "own")
    own.commit(lab.bytes(), "one")
    project = ProjectConfig(name="lab", repository=str(own.path), branches=("main",))
    clone = Clone(str(own.path), lab.root / "clones", Accounts(()))
    state = lab.root / "state"
    engine = BuildStreamEngine({"lab": project}, state, EngineConfig(processes=1), {"lab": clone})
    try:
        await engine.load("lab")
        newer = made.sdk.commit({"elements/foo.bst": json.dumps(imports("bar"))}, "newer")
        junction = json.dumps({**imports("sdk", ref=newer), "kind": "junction"})
        own.commit({"elements/sdk.bst": junction}, "two")
        loaded = await engine.load("lab")
    finally:
        await engine.close()
    (foo,) = (element for element in loaded.elements if element.name == "sdk.bst:foo.bst")
    assert foo.sources[0].urls == (f"{lab.server}/bar.git",)
    (staged,) = state.glob("engine/lab/*/project/.bst/staged-junctions/sdk.bst/*")
    assert "bar" in (staged / "elements/foo.bst").read_text()


async def test_a_junction_without_an_address_of_another_machine_is_refused(lab: Lab) -> None:
    made = Nested.make(lab)
    lab.write(
        "elements/sdk.bst",
        {**imports("sdk", ref="1" * 40, url=f"file://{made.sdk.path}"), "kind": "junction"},
    )
    async with running(lab, None) as bench:
        with pytest.raises(Permanent, match=r"sdk\.bst: the url of source 0 \(git_repo\) is no address"):
            await bench.engine.load("lab")
