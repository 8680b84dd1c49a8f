"""gnome-build-meta in its recorded shape, with an upstream here for every repository that it follows."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookfetch.demo.repositories import Repository, create_repository
from tests.support.projects import GIT_KINDS, GeneratedProject, generate_project

FACTS = Path(__file__).parents[1].parent / "shared/projects/gnome-build-meta.json"


@dataclass(frozen=True)
class Gnome:
    """The project, which names its upstreams at one server, and its elements that follow a repository and
    need nothing else from upstream, each with that of its first source."""

    project: GeneratedProject
    followers: dict[str, Repository]


def make_gnome(served: Path, folder: Path, server: str) -> Gnome:
    """Make the upstreams below `served`, which is at `server`, and the project in `folder`."""
    recorded = json.loads(FACTS.read_text(encoding="utf-8"))
    # Each alias becomes a folder of the server; mirrors are not asked anyway.
    recorded["aliases"] = {alias: f"{server}/{alias}/" for alias in recorded["aliases"]}
    recorded["mirrors"] = []
    facts = folder.with_suffix(".json")
    facts.write_text(json.dumps(recorded))
    project = generate_project(facts, folder)
    template = create_repository(served, "template")
    template.commit({"README": "first\n"}, "first")
    template.tag("v0")
    head = template.commit({f"src/{number}.c": f"int n{number};\n" for number in range(20)}, "second")
    refs: dict[Path, set[str]] = {}
    followers = {}
    for element, sources in project.sources.items():
        alone = all(source["kind"] in GIT_KINDS or source["kind"] == "local" for source in sources)
        for source in sources:
            if source["kind"] in GIT_KINDS and source.get("track"):
                path = served / project.resolve(source["url"]).removeprefix(f"{server}/")
                refs.setdefault(path, set()).add(_ref(source))
                if alone:
                    followers.setdefault(element, Repository(path, path.stem))
    for path, names in refs.items():
        shutil.copytree(template.path, path)
        lines = [f"{head} {name}\n" for name in names]
        with (path / "packed-refs").open("a") as packed:
            packed.writelines(lines)
    return Gnome(project, followers)


def _ref(source: dict[str, Any]) -> str:
    """Return a ref that the source's tracking takes: the branch, or a tag that its glob matches."""
    track: str = source["track"]
    name = track.replace("*", "1")
    if track.startswith("refs/"):
        return name
    return f"refs/heads/{track}" if name == track else f"refs/tags/{name}"
