"""A load tells what a project's aliases stand for, what is kept of it, and which mirrors there are."""

from pathlib import Path

import pytest

from hookfetch.core.sources import Alias, Aliases
from tests.engine.lab import PLUGINS, Lab, running

pytestmark = pytest.mark.engine


async def test_aliases_are_told_with_those_behind_junctions(lab: Lab, tmp_path: Path) -> None:
    server = f"{lab.server.rpartition('/')[0]}/"
    lab.write_project(
        aliases={"up": server, "tars": "https://tars.example.org/", "idle": "https://idle.example.org/"},
        mirrors=[{"name": "near", "aliases": {"tars": ["https://near.example.org/"]}}],
    )
    lab.element("both.bst", {"url": "up:a.git", "kind": "git_repo", "track": "main"})
    lab.write("elements/tar.bst", {"kind": "import", "sources": [{"kind": "tar", "url": "tars:a.tar"}]})
    (lab.project / "sdk/elements").mkdir(parents=True)
    lab.write(
        "sdk/project.conf",
        {
            "name": "sdk",
            "min-version": "2.4",
            "element-path": "elements",
            "aliases": {"mapped": "https://sdk.example.org/", "own": "https://own.example.org/"},
            "plugins": PLUGINS,
        },
    )
    sources = [
        {"kind": "git", "url": "mapped:a.git", "track": "main"},
        {"kind": "zip", "url": "own:a.zip", "directory": "zip"},
    ]
    lab.write("sdk/elements/part.bst", {"kind": "import", "sources": sources})
    lab.write(
        "elements/sdk.bst",
        {
            "kind": "junction",
            "sources": [{"kind": "local", "path": "sdk"}],
            "config": {"aliases": {"mapped": "tars"}},
        },
    )
    lab.write("elements/all.bst", {"kind": "stack", "depends": ["sdk.bst:part.bst"]})

    async with running(lab, None) as bench:
        loaded = await bench.engine.load("lab")

    own, sdk = loaded.aliases
    assert own == Aliases(
        project="lab",
        aliases=(
            Alias(name="idle", address="https://idle.example.org/"),
            Alias(name="tars", address="https://tars.example.org/", kept_as=("git", "files")),
            Alias(name="up", address=server, kept_as=("git",)),
        ),
        mirrors={"near": {"tars": ("https://near.example.org/",)}},
    )
    assert sdk == Aliases(
        project="sdk",
        aliases=(
            Alias(name="mapped", address="https://sdk.example.org/"),
            Alias(name="own", address="https://own.example.org/", kept_as=("files",)),
        ),
    )
