"""gnome-build-meta in its recorded shape, with an upstream here for every repository that it follows.

Of 350 repositories 323 are followed. The others are pinned: they have no `track`, or come as submodules at
the commit that their parent names (git_module), so nothing asks them for refs. Three of the 323 are left out,
those of the elements with several submodules (spice, spice-gtk, enchant-2): for the second one BuildStream
fetches the first, at a commit that exists in the real repository alone. A source that BuildStream tracks from
the files of those before it and that is not installed here (cargo2), or that has a file of the project's own
(patch), is a local one (`tests.support.projects`).
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hookfetch.demo.repositories import Repository, create_repository, create_tarball
from tests.support.projects import GIT_KINDS, GeneratedProject, SourceFacts, generate_project

FACTS = Path(__file__).parents[1].parent / "shared/projects/gnome-build-meta.json"


@dataclass(frozen=True)
class Gnome:
    """The project and its elements that follow a repository which can be served here, each with that of its
    first followed source."""

    project: GeneratedProject
    followers: dict[str, Repository]


def upstream_hosts() -> list[str]:
    """Return the hosts of the project's upstreams, `gitlab.gnome.org` and so on."""
    aliases = json.loads(FACTS.read_text(encoding="utf-8"))["aliases"]
    return sorted({urlsplit(url).netloc for url in aliases.values()})


def make_gnome(served: Path, folder: Path, servers: Mapping[str, str]) -> Gnome:
    """Make the upstreams below `served`, those of each host in a folder of its name, and the project in
    `folder`. `servers` are the addresses at which each host stands here: all of them serve `served`."""
    recorded = json.loads(FACTS.read_text(encoding="utf-8"))
    for alias, url in recorded["aliases"].items():
        host = urlsplit(url).netloc
        recorded["aliases"][alias] = f"{servers[host]}/{host}{urlsplit(url).path}"
    recorded["mirrors"] = []  # they are not asked anyway
    facts = folder.with_suffix(".json")
    facts.write_text(json.dumps(recorded))
    project = generate_project(facts, folder)
    maker = _Maker(served, project)
    followers = {}
    for element, sources in project.sources.items():
        followed = [source for source in sources if source["kind"] in GIT_KINDS and source.get("track")]
        if followed and sum(source["kind"] == "git_module" for source in sources) < 2:
            maker.follow(sources)
            path = maker.path_of(followed[0])
            followers[element] = Repository(path, path.stem)
    maker.make()
    return Gnome(project, followers)


class _Maker:
    """Makes the upstreams that followed elements use, all with one history."""

    def __init__(self, served: Path, project: GeneratedProject) -> None:
        self._served = served
        self._project = project
        self._refs: dict[Path, set[str]] = {}
        self._links: dict[Path, dict[str, SourceFacts]] = {}

    def path_of(self, source: SourceFacts) -> Path:
        """Return where the upstream of `source` stands."""
        return self._served / urlsplit(self._project.resolve(source["url"])).path.removeprefix("/")

    def follow(self, sources: Iterable[SourceFacts]) -> None:
        """Have all be there that tracking an element with `sources` asks for."""
        parent = None
        for source in sources:
            if source["kind"] in GIT_KINDS and source.get("track"):
                parent = self.path_of(source)
                self._refs.setdefault(parent, set()).add(_ref(source))
            elif source["kind"] == "git_module":
                assert parent is not None, source
                self._links.setdefault(parent, {})[source["path"]] = source
            elif source["kind"] in ("remote", "tar"):
                path = self.path_of(source)
                create_tarball(path.parent, path.name, {"top/README": "a release\n"})

    def make(self) -> None:
        """Make the repositories."""
        template = create_repository(self._served, "template")
        template.commit({"README": "first\n"}, "first")
        template.tag("v0")
        head = template.commit({f"src/{number}.c": f"int n{number};\n" for number in range(20)}, "second")
        for path, names in self._refs.items():
            shutil.copytree(template.path, path)
            commit = self._link(Repository(path, path.stem), self._links.get(path, {})) or head
            with (path / "packed-refs").open("a") as packed:
                packed.writelines(f"{commit} {name}\n" for name in sorted(names - {"refs/heads/main"}))

    def _link(self, repository: Repository, links: Mapping[str, SourceFacts]) -> str | None:
        """Have the submodules be where their sources say; return the commit, None without any."""
        if not links:
            return None
        declared = [_declared(path, self._project.resolve(each["url"])) for path, each in links.items()]
        repository.commit({".gitmodules": "".join(declared)}, "submodules")
        for path, source in links.items():
            commit = repository.link(path, source["ref"], f"{path} is a submodule")
        return commit


def _declared(path: str, url: str) -> str:
    return f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n'


def _ref(source: dict[str, Any]) -> str:
    """Return a ref that the source's tracking takes: the branch, or a tag that its glob matches."""
    track: str = source["track"]
    name = track.replace("*", "1")
    if track.startswith("refs/"):
        return name
    return f"refs/heads/{track}" if name == track else f"refs/tags/{name}"
