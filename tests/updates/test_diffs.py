"""What git makes of our diffs."""

import random
import subprocess
from pathlib import Path

import pytest

from hookfetch.updates.diffs import unified_diff

NAMES = ["elements/a.bst", "elements/with blank.bst", "elements/ünï.bst"]


def git_apply(folder: Path, diff: str, *options: str) -> None:
    subprocess.run(
        ["git", "apply", *options],
        cwd=folder,
        input=diff.encode(),
        check=True,
        capture_output=True,
        timeout=30,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\nref: 1\nb\n", "a\nref: 2\nb\n"),
        ("ref: 1", "ref: 2"),
        ("ref: 1", "ref: 1\nmore: 2\n"),
        ("a\r\nref: 1\r\nb", "a\r\nref: 2\r\nb"),
        ("a\rb\x0cc\u2028d\nref: 1\n", "a\rb\x0cc\u2028d\nref: 2\n"),
        ("\ufeffref: 1\n", "\ufeffref: 2\n"),
        (None, "projects:\n  lab:\n    a.bst:\n    - ref: 1\n"),
    ],
)
def test_git_applies_a_diff_to_the_very_bytes(
    tmp_path: Path, name: str, before: str | None, after: str
) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    if before is not None:
        file.write_bytes(before.encode())
    git_apply(tmp_path, unified_diff(name, before, after))
    assert file.read_bytes() == after.encode()


def test_git_applies_diffs_of_many_files_below_the_top_of_a_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True, capture_output=True, timeout=30)
    project = tmp_path / "below"
    project.mkdir()
    chance = random.Random(4)
    diff, wanted = "", {}
    for number in range(100):
        lines = [chance.choice(["a", "b\r", "", "- ref: 1"]) for _ in range(chance.randrange(1, 40))]
        before = "\n".join(lines) + chance.choice(["", "\n"])
        lines[chance.randrange(len(lines))] = f"changed {number}"
        wanted[f"{number}.bst"] = "\n".join(lines) + chance.choice(["", "\n"])
        (project / f"{number}.bst").write_bytes(before.encode())
        diff += unified_diff(f"{number}.bst", before, wanted[f"{number}.bst"])
    git_apply(project, diff, "--check")
    git_apply(project, diff)
    assert {name: (project / name).read_bytes() for name in wanted} == {
        name: text.encode() for name, text in wanted.items()
    }


def test_what_does_not_change_has_no_diff() -> None:
    assert unified_diff("a.bst", "ref: 1\n", "ref: 1\n") == ""
