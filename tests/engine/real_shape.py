"""A project of a real one's shape: its elements' sources, aliases and mirrors, as import elements."""

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[3] / "shared/projects/gnome-build-meta.json"
COMMUNITY = ["git_repo", "git_tag", "git_module", "zip"]
# What the data leaves out: files of the project itself, and refs that are shortened in it.
_NETWORK = {"git_repo", "tar", "git_module", "remote", "zip"}


def write_project(directory: Path) -> dict[str, list[dict[str, Any]]]:
    """Write the project; return the sources written of each element."""
    data = json.loads(DATA.read_text())
    written: dict[str, list[dict[str, Any]]] = {}
    for name, element in data["elements"].items():
        sources = [_plain(source) for source in element.get("sources", ()) if source["kind"] in _NETWORK]
        if sources and sources[0]["kind"] == "git_module":
            sources = []  # it cannot be the first source
        written[name] = sources
        content = {"kind": "import", "sources": sources} if sources else {"kind": "stack"}
        _write(directory / "elements" / name, content)
    _write(
        directory / "project.conf",
        {
            "name": "gnome",
            "min-version": "2.4",
            "element-path": "elements",
            "aliases": data["aliases"],
            "mirrors": data["mirrors"],
            "plugins": [
                {
                    "origin": "pip",
                    "package-name": "buildstream-plugins-community",
                    "sources": COMMUNITY,
                }
            ],
        },
    )
    return written


def _plain(source: dict[str, Any]) -> dict[str, Any]:
    dropped = {"(?)", "ref_shortened"}
    if source.get("ref_shortened"):
        dropped.add("ref")
    return {key: value for key, value in source.items() if key not in dropped}


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))  # JSON is YAML
