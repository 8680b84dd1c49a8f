"""A project with one element of each source kind, its upstreams and a source cache, all real."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hookfetch.config import EngineConfig, ProjectConfig
from hookfetch.core.codec import dump_job, load_job
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Job
from hookfetch.core.ports import Finished, OnTracked
from hookfetch.demo.repositories import Repository, create_repository, create_tarball
from hookfetch.engine.supervisor import BuildStreamEngine

PLUGINS: list[dict[str, Any]] = [
    {
        "origin": "pip",
        "package-name": "buildstream-plugins-community",
        "sources": ["cargo2", "cpan", "gen_cargo_lock", "git_module", "git_repo", "git_tag", "pypi", "zip"],
    },
    {"origin": "pip", "package-name": "buildstream-plugins", "sources": ["docker", "git"]},
]
# Its package does not say that it has this one.
_GO_MODULE_PLUGIN = {"origin": "local", "path": "plugins", "sources": ["go_module"]}
_GO_MODULE = "from buildstream_plugins_community.sources.go_module import setup\n"


class Lab:
    """A project in `root/project`, and its upstreams in a folder that is served at `server`.

    Elements stand in `folder`, so that tests can share a project and an engine's warm process.
    """

    def __init__(self, root: Path, server: str, upstreams: Path, folder: str = "it") -> None:
        self.root = root
        self.upstreams = upstreams
        self.server = server
        self.folder = folder
        self.project = root / "project"
        self.options: dict[str, str] = {}
        self.fresh = True  # whether an element was written since the last load
        for folder in "elements", "plugins":
            (self.project / folder).mkdir(parents=True, exist_ok=True)
        (self.project / "plugins" / "go_module.py").write_text(_GO_MODULE)
        self.write_project()

    def write_project(self, **more: Any) -> None:
        self.write(
            "project.conf",
            {
                "name": "lab",
                "min-version": "2.4",
                "element-path": "elements",
                "aliases": {"up": f"{self.server.rpartition('/')[0]}/"},
                "plugins": [*PLUGINS, _GO_MODULE_PLUGIN],
                **more,
            },
        )

    def repository(self, name: str) -> Repository:
        repository = create_repository(self.upstreams, name)
        repository.commit({"README": name, "src/main.c": "int main(void) { return 0; }\n"}, "first")
        return repository

    def tarball(self, name: str, text: str) -> None:
        create_tarball(self.upstreams, name, {"top/text": text})

    def element(self, name: str, *sources: Mapping[str, Any]) -> None:
        """Write an element; `up:<path>` in a source's url is below this lab's upstreams."""
        place = f"up:{self.server.rpartition('/')[2]}/"
        written = [dict(source) for source in sources]
        for source in written:
            if "url" in source:
                source["url"] = source["url"].replace("up:", place)
        self.write(f"elements/{self.folder}/{name}", {"kind": "import", "sources": written})
        self.fresh = True

    def write(self, name: str, content: Any) -> None:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1))  # JSON is YAML

    def config(self, source_cache: Any) -> ProjectConfig:
        return ProjectConfig(name="lab", path=self.project, source_cache=source_cache, options=self.options)

    def bytes(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.project)): path.read_bytes()
            for path in sorted(self.project.rglob("*"))
            if path.is_file()
        }


async def ignore(refs: tuple[SourceRef, ...], milliseconds: float) -> None:
    pass


class Bench:
    """An engine with a lab: jobs by an element's short name, loading what was written first."""

    def __init__(self, engine: BuildStreamEngine, lab: Lab) -> None:
        self.engine = engine
        self.lab = lab

    def job(self, name: str, *, track: bool = True, refs: tuple[SourceRef, ...] = ()) -> Job:
        element = f"{self.lab.folder}/{name}"
        job = Job(id=f"job-{element}", project="lab", element=element, epoch=1, track=track, refs=refs)
        return load_job(dump_job(job))  # over the wire, as all jobs come

    async def run(
        self,
        name: str,
        *,
        track: bool = True,
        refs: tuple[SourceRef, ...] = (),
        on_tracked: OnTracked = ignore,
    ) -> Finished:
        if self.lab.fresh:
            self.lab.fresh = False
            await self.engine.load("lab")
        return await self.engine.run(self.job(name, track=track, refs=refs), on_tracked)


@asynccontextmanager
async def running(
    lab: Lab,
    source_cache: Any,  # as the configuration has it
    *,
    processes: int = 1,
    deadline: float = 60.0,
    recycle_after: int = 1000,
    cache_bytes: int = 10**9,
    archive_bytes: int = 10**9,
    others: tuple[str, ...] = (),
    shortcut: bool = True,
    cache_lease: float = 3600.0,
    stall: float = 60.0,
) -> AsyncIterator[BuildStreamEngine]:
    config = EngineConfig(
        processes=processes,
        deadline=deadline,
        recycle_after=recycle_after,
        cache_bytes=cache_bytes,
        archive_bytes=archive_bytes,
        shortcut=shortcut,
        cache_lease=cache_lease,
        stall=stall,
    )
    projects = dict.fromkeys(("lab", *others), lab.config(source_cache))
    engine = BuildStreamEngine(projects, lab.root / "state", config)
    try:
        yield Bench(engine, lab)
    finally:
        await engine.close()
