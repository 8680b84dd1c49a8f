"""Does a commit descend from another? Asked of git, within a bound, about the history as it was fetched."""

import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from hookfetch.core.sources import Ref
from hookfetch.engine import ancestry


class MirroredSource:
    """A fake `git` source: its kind, its name and where its mirror is."""

    def __init__(self, mirror: Path) -> None:
        self.mirror = SimpleNamespace(mirror=str(mirror))

    def get_kind(self) -> str:
        return "git"


def git(repository: Path, *arguments: str, text: str = "") -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A bare repository: `main` has 3 commits, `other` has one and no parent."""
    repository = tmp_path / "mirror"
    repository.mkdir()
    git(repository, "init", "--bare", "--quiet")
    one = "commit refs/heads/{}\ncommitter a <a@example.org> {} +0000\ndata 1\nx\n"
    script = "".join([one.format("main", 1000 + n) for n in range(3)]) + one.format("other", 500)
    git(repository, "fast-import", "--quiet", text=script)
    return repository


def asked(mirror: Path, old: str, new: str, sources: int = 1) -> dict[int, bool]:
    before: list[dict[str, Ref]] = [{"ref": old}] * sources
    after: list[dict[str, Ref]] = [{"ref": new}] * sources
    return ancestry.descends([MirroredSource(mirror) for _ in range(sources)], before, after)


def test_a_commit_descends_from_its_ancestors_alone(mirror: Path) -> None:
    newest, first, other = (git(mirror, "rev-parse", name) for name in ("main", "main~2", "other"))
    assert asked(mirror, first, newest) == {0: True}
    assert asked(mirror, newest, first) == {0: False}
    assert asked(mirror, other, newest) == {0: False}


def test_what_is_missing_shallow_or_no_repository_is_not_said(mirror: Path, tmp_path: Path) -> None:
    newest, first = git(mirror, "rev-parse", "main"), git(mirror, "rev-parse", "main~2")
    assert asked(mirror, "1" * 40, newest) == {}
    assert asked(tmp_path / "none", first, newest) == {}
    (mirror / "shallow").write_text(f"{newest}\n")
    assert asked(mirror, first, newest) == {}


def test_an_upstream_cannot_replace_its_history_for_the_question(mirror: Path) -> None:
    newest, other = git(mirror, "rev-parse", "main"), git(mirror, "rev-parse", "other")
    git(mirror, "replace", "--graft", "main~2", other)  # what `refs/replace/…` of an upstream would do
    assert git(mirror, "merge-base", newest, other) == other
    assert asked(mirror, other, newest) == {0: False}


def test_what_takes_too_long_is_not_said_and_ends(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest, first = git(mirror, "rev-parse", "main"), git(mirror, "rev-parse", "main~2")
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:/usr/bin:/bin")
    monkeypatch.setattr(ancestry, "SECONDS", 0.3)
    began = time.monotonic()
    with capture_logs() as lines:
        assert asked(mirror, first, newest, sources=3) == {}
    assert time.monotonic() - began < 3.0  # not 3 times 60 s
    assert [(line["event"], line["reason"]) for line in lines] == [
        ("ancestry unknown", "not known within 0.3 s")
    ]
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()
