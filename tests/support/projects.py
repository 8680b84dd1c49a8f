"""Loadable BuildStream projects in the shape of real ones, generated from their recorded facts.

What is kept: names, dependencies within the project, aliases, mirrors, and every source of an
installed kind as it is written. What is not:

- Elements become `kind: import` with these sources, or `kind: stack` without any; junctions
  and what lies behind them are left out.
- Of a conditional, the first branch is taken.
- A source that needs a file of its own (local, patch, patch_queue), another file's content
  (an include), a plugin that does not load (go_module has no entry point; cargo2 and
  gen_cargo_lock want tomlkit) or a tool that is no dependency (lzip for `.lz`) becomes
  `kind: local` of one shared tiny file, so that the others keep their index.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GIT_KINDS = frozenset({"git", "git_repo", "git_tag"})
_PLACEHOLDER = {"kind": "local", "path": "files/placeholder"}
_INSTALLED = {
    "buildstream-plugins": ["git"],
    "buildstream-plugins-community": ["cpan", "git_module", "git_repo", "git_tag", "pypi", "zip"],
}
_KEPT = frozenset({"remote", "tar", *(kind for kinds in _INSTALLED.values() for kind in kinds)})
# The projects keep these in files of their own, which are not part of the facts.
_DEFAULTS = {"git_repo": {"config": {"ref-format": "git-describe"}}}

SourceFacts = dict[str, Any]


@dataclass(frozen=True)
class GeneratedProject:
    """A project below `path`; `sources` are what its elements hold, by element and index."""

    name: str
    path: Path
    aliases: dict[str, str]
    sources: dict[str, list[SourceFacts]]

    def resolve(self, url: str) -> str:
        """Return a written URL with its alias replaced."""
        alias, _, rest = url.partition(":")
        return self.aliases[alias] + rest if alias in self.aliases else url


def generate_project(facts: Path, path: Path) -> GeneratedProject:
    """Write the project that `facts` (one of the recorded JSON files) describe below `path`."""
    recorded = json.loads(facts.read_text(encoding="utf-8"))
    elements = {
        name: element for name, element in recorded["elements"].items() if element["kind"] != "junction"
    }
    sources = {name: [_source(facts) for facts in element["sources"]] for name, element in elements.items()}
    (path / "files").mkdir(parents=True)
    (path / "files/placeholder").write_text("for a file that is not part of the facts\n", encoding="utf-8")
    for name, element in elements.items():
        file = path / "elements" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        kind = "import" if sources[name] else "stack"
        inside = [other for other in element["depends"] if isinstance(other, str) and other in elements]
        _write(file, {"kind": kind, "depends": list(dict.fromkeys(inside)), "sources": sources[name]})
    _write(path / "project.conf", _configuration(recorded))
    return GeneratedProject(recorded["name"], path, recorded["aliases"], sources)


def _configuration(recorded: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": recorded["name"],
        "min-version": str(recorded["min-version"]),
        "element-path": "elements",
        "aliases": recorded["aliases"],
        "mirrors": recorded["mirrors"],
        "sources": _DEFAULTS,
        "plugins": [
            {"origin": "pip", "package-name": package, "sources": kinds}
            for package, kinds in _INSTALLED.items()
        ],
    }


def _source(facts: SourceFacts) -> SourceFacts:
    written = {key: value for key, value in facts.items() if key not in ("ref_shortened", "(?)")}
    if "(?)" in facts:
        (first,) = facts["(?)"][0].values()
        written |= first
    if facts["kind"] not in _KEPT or "(@)" in facts or str(facts.get("url")).endswith(".lz"):
        directory = facts.get("directory")
        return _PLACEHOLDER if directory is None else {**_PLACEHOLDER, "directory": directory}
    return written


def _write(file: Path, content: dict[str, Any]) -> None:
    """Write YAML: JSON is some, and says exactly which scalars are strings."""
    kept = {key: value for key, value in content.items() if value not in ([], {})}
    file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
