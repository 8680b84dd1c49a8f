"""What a load says of a project, and that a warm one sees what changed on disk."""

import asyncio
from pathlib import Path

import pytest

from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.core.errors import ElementError, Permanent, Temporary
from hookfetch.core.sources import LoadedProject, Source
from hookfetch.engine.supervisor import BuildStreamEngine
from tests.engine import real_shape
from tests.engine.lab import Bench, Lab, running

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


async def load(bench: Bench) -> LoadedProject:
    bench.lab.fresh = False
    return await bench.engine.load("lab")


def sources(bench: Bench, project: LoadedProject, name: str) -> tuple[Source, ...]:
    (element,) = (item for item in project.elements if item.name == f"{bench.lab.folder}/{name}")
    return element.sources


async def test_sources_are_told_with_their_keys_and_resolved_addresses(bench: Bench) -> None:
    bench.lab.element(
        "it.bst",
        {"kind": "git_repo", "url": "up:x.git", "track": "v*", "exclude": ["v*rc*"], "ref": "1" * 40},
        {
            "kind": "git_tag",
            "url": "up:y.git",
            "track": "main",
            "track-tags": "true",
            "match": ["v*"],
            "directory": "y",
        },
        {"kind": "local", "path": "project.conf"},
    )
    project = await load(bench)
    assert project.name == "lab"
    assert sources(bench, project, "it.bst") == (
        Source(
            index=0,
            kind="git_repo",
            urls=(f"{bench.lab.server}/x.git",),
            track={"track": "v*", "exclude": ["v*rc*"]},
            ref="1" * 40,
        ),
        Source(
            index=1,
            kind="git_tag",
            urls=(f"{bench.lab.server}/y.git",),
            track={"track": "main", "match": ["v*"], "track-tags": True},
            directory="y",
        ),
        Source(index=2, kind="local", track={"path": "project.conf"}),
    )


async def test_a_load_of_a_warm_worker_sees_changed_files(bench: Bench) -> None:
    bench.lab.element("it.bst", {"kind": "git_repo", "url": "up:x.git", "track": "main"})
    await load(bench)
    (worker,) = bench.engine.pids
    bench.lab.element("it.bst", {"kind": "git_repo", "url": "up:x.git", "track": "next"})
    bench.lab.element("new.bst", {"kind": "local", "path": "project.conf"})
    project = await load(bench)
    assert sources(bench, project, "it.bst")[0].track == {"track": "next"}
    assert sources(bench, project, "new.bst")
    assert bench.engine.pids == (worker,)


async def test_a_project_that_does_not_load_says_why_in_one_line_and_loads_once_mended(bench: Bench) -> None:
    bench.lab.element("bad.bst", {"kind": "no_such_kind"})
    with pytest.raises(Permanent, match="no_such_kind") as failure:
        await load(bench)
    assert "\n" not in str(failure.value)
    with pytest.raises(Temporary, match="does not load"):
        await bench.run("bad.bst")
    bench.lab.element("bad.bst", {"kind": "local", "path": "project.conf"})
    assert sources(bench, await load(bench), "bad.bst")


async def test_mirrors_follow_the_primary_address(lab: Lab) -> None:
    lab.write_project(mirrors=[{"name": "m", "aliases": {"up": ["http://mirror.example/"]}}])
    lab.element("it.bst", {"kind": "git_repo", "url": "up:x.git", "track": "main"})
    async with running(lab, None) as bench:
        (source,) = sources(bench, await load(bench), "it.bst")
    assert source.urls == (f"{lab.server}/x.git", f"http://mirror.example/{lab.folder}/x.git")


async def test_options_choose_what_is_loaded(lab: Lab) -> None:
    lab.write_project(options={"fast": {"type": "bool", "description": "x", "default": "false"}})
    slow, fast = ({"kind": "git_repo", "url": "up:x.git", "track": track} for track in ("slow", "fast"))
    chosen = {"fast": {"sources": {"(=)": [fast]}}}
    lab.write(f"elements/{lab.folder}/it.bst", {"kind": "import", "sources": [slow], "(?)": [chosen]})
    lab.options = {"fast": "true"}
    async with running(lab, None) as bench:
        (source,) = sources(bench, await load(bench), "it.bst")
    assert source.track == {"track": "fast"}


async def test_other_workers_reload_before_their_next_job(lab: Lab) -> None:
    async with running(lab, None, processes=2) as bench:
        await asyncio.gather(bench.engine.load("lab"), bench.engine.load("lab"))
        assert len(bench.engine.pids) == 2
        lab.fresh = False
        with pytest.raises(ElementError, match="has no element"):
            await bench.run("late.bst")
        lab.element("late.bst", {"kind": "local", "path": "project.conf"})
        await load(bench)
        await asyncio.gather(*(bench.run("late.bst") for _ in range(2)))
        assert len(bench.engine.pids) == 2


async def test_of_more_projects_than_stay_warm_the_longest_idle_worker_goes(lab: Lab, bench: Bench) -> None:
    lab.element("it.bst", {"kind": "local", "path": "project.conf"})
    async with running(lab, None, others=("second", "third", "fourth")) as own:
        await own.engine.load("lab")
        (first,) = own.engine.pids
        for name in ("second", "third", "lab"):
            await own.engine.load(name)
        assert first in own.engine.pids
        assert len(own.engine.pids) == 3
        await own.engine.load("fourth")
        assert len(own.engine.pids) == 3
        assert first in own.engine.pids  # it was used since


async def test_a_project_of_a_real_one_s_shape_loads_with_every_source_and_ref(tmp_path: Path) -> None:
    written = real_shape.write_project(tmp_path / "project")
    projects = {"gnome": ProjectConfig(name="gnome", path=tmp_path / "project")}
    engine = BuildStreamEngine(projects, tmp_path / "state", EngineConfig(processes=1))
    try:
        loaded = await engine.load("gnome")
    finally:
        await engine.close()
    told = {element.name: element.sources for element in loaded.elements}
    assert {
        name: [(source["kind"], source.get("ref")) for source in sources] for name, sources in written.items()
    } == {name: [(source.kind, source.ref) for source in sources] for name, sources in told.items()}
    assert all(source.urls for sources in told.values() for source in sources)
    assert sum(len(source.urls) > 1 for sources in told.values() for source in sources) > 30


async def test_a_project_that_is_not_configured_here_is_refused(tmp_path: Path) -> None:
    engine = BuildStreamEngine({}, tmp_path, EngineConfig())
    with pytest.raises(Permanent, match="project nobody is not configured here"):
        await engine.load("nobody")
    await engine.close()


async def test_an_archive_s_version_is_told_as_it_says_and_as_buildstream_guesses(bench: Bench) -> None:
    url, ref = "up:foo-1.2.3.tar.gz", "0" * 64
    bench.lab.element(
        "versions.bst",
        {"kind": "tar", "url": url, "ref": ref},
        {"kind": "tar", "url": url, "ref": ref, "version": "2024a"},
        {"kind": "remote", "url": url, "version-guess-pattern": "foo-([0-9]+)"},
        {"kind": "zip", "url": "up:plain.zip"},
    )
    found = sources(bench, await load(bench), "versions.bst")
    assert [(each.version, each.version_guess) for each in found] == [
        (None, "1.2.3"),
        ("2024a", None),
        ("1", None),
        (None, None),
    ]
