"""A commit's nearest tag is told as git tells it, or not at all."""

import random
import subprocess
from pathlib import Path

import pytest

from hookfetch.cas.git_objects import GitObjects
from hookfetch.engine.nearest_tag import describe
from tests.engine.shapes import Shaped, file


def by_git(repository: Path, commit: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository), "describe", "--tags", "--abbrev=40", "--long", commit],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode in (0, 128), done.stderr
    return done.stdout.strip()


def told(path: Path, commit: str) -> str | None:
    with GitObjects(path) as objects:
        return describe(objects, bytes.fromhex(commit))


@pytest.mark.parametrize("seed", range(12))
def test_what_is_told_of_any_history_is_what_git_says(seed: int, tmp_path: Path) -> None:
    noise = random.Random(seed)
    upstream = Shaped(tmp_path / "it.git")
    commits: list[str] = []
    for number in range(12):
        parents = commits[-1:]
        if len(commits) > 2 and noise.random() < 0.2:
            parents = noise.sample(commits, 2)
        commits.append(upstream.commit({"a": file(b"%d" % number)}, *parents))
        for name in range(noise.choice((0, 0, 0, 1, 1, 2))):
            upstream.tag(f"v{number}.{name}", commits[-1], annotated=noise.random() < 0.5)
    answers = [(told(tmp_path / "it.git", commit), commit) for commit in noise.sample(commits, 6)]
    for answer, commit in answers:
        assert answer is None or answer == by_git(tmp_path / "it.git", commit)


def test_a_line_of_commits_is_described_without_git(tmp_path: Path) -> None:
    upstream = Shaped(tmp_path / "it.git")
    commits: list[str] = []
    for number in range(4):
        commits.append(upstream.commit({"a": file(b"%d" % number)}, *commits[-1:]))
    assert told(tmp_path / "it.git", commits[3]) == ""
    upstream.tag("release/1.0", commits[1], annotated=True)
    upstream.tag("older", commits[0])
    assert told(tmp_path / "it.git", commits[3]) == f"release/1.0-2-g{commits[3]}"
    assert told(tmp_path / "it.git", commits[1]) == f"release/1.0-0-g{commits[1]}"
    assert told(tmp_path / "it.git", commits[0]) == f"older-0-g{commits[0]}"


def test_git_is_asked_where_it_may_choose_or_see_otherwise(tmp_path: Path) -> None:
    upstream = Shaped(tmp_path / "it.git")
    first = upstream.commit({"a": file(b"1")})
    second = upstream.commit({"a": file(b"2")}, first)
    other = upstream.commit({"b": file(b"2")}, first, ref=None)
    merge = upstream.commit({"b": file(b"3")}, second, other)
    upstream.tag("v1", first)
    assert told(tmp_path / "it.git", second) == f"v1-1-g{second}"
    assert told(tmp_path / "it.git", merge) is None  # two ways back
    upstream.tag("v1-too", first)
    assert told(tmp_path / "it.git", second) is None  # two tags
    upstream.repository.references.delete("refs/tags/v1-too")
    upstream.repository.references.create(f"refs/replace/{second}", other)
    assert told(tmp_path / "it.git", second) is None  # replaced
    upstream.repository.references.delete(f"refs/replace/{second}")
    upstream.tag("outer", upstream.tag("inner", other, annotated=True), annotated=True)
    assert told(tmp_path / "it.git", second) is None  # a tag of a tag
