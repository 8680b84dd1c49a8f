"""Changes of real projects' refs: texts before and after, and what changed as data (see its README)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildstream import _yaml

REFDIFFS = Path(__file__).parents[2].parent / "shared" / "projects" / "refdiffs.jsonl"


@dataclass(frozen=True)
class Case:
    """A file of a commit."""

    name: str
    mechanical: bool
    before: str
    after: str
    request: dict[str, Any]

    @property
    def shortened(self) -> bool:
        """Whether the data gives digests or numbers of items in place of a ref."""
        return any(
            isinstance(change["ref_after"], dict)
            or ("ref_list" in change and "added" not in change["ref_list"])
            for change in self.request["changes"]
        )

    def full_request(self) -> dict[str, Any]:
        """Return the request with every ref in full, taken from the texts as BuildStream reads them."""
        before, after = read(self.before), read(self.after)
        changes = []
        for change in self.request["changes"]:
            if "ref_list" in change or isinstance(change["ref_after"], dict):
                index = change["source_index"]
                old, new = (text["sources"][index]["ref"] for text in (before, after))
                change = change | {"ref_before": old, "ref_after": new}
            changes.append(change)
        return self.request | {"changes": changes}


def read(text: str) -> dict[str, Any]:
    """Return what BuildStream itself reads; the tests' judge, of which hookfetch.edits uses nothing."""
    return _yaml.load_data(text).strip_node_info()


def _cases() -> list[Case]:
    cases = []
    for line in REFDIFFS.read_text(encoding="utf-8").splitlines():
        commit = json.loads(line)
        for file in commit["files"]:
            name = f"{commit['project']}/{commit['case']}/{file['path']}"
            request = {
                "id": name,
                "path": file["path"],
                "text": file["before"],
                "changes": file["changes"],
                "variables": file["variables"],
            }
            cases.append(Case(name, file["mechanical"], file["before"], file["after"], request))
    return cases


CASES = _cases()
