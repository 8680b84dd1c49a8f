"""`hookfetch mirrors`, as a person and as a program reads it."""

import json
import os
from pathlib import Path

import pytest

from hookfetch.originals.folder import Folder, Original, pinned
from tests.support.commands import run

KIBI = 1024


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "hookfetch.toml"
    path.write_text(f'state_dir = "{tmp_path}/state"\n[engine]\nmirrors_bytes = {150 * KIBI}\n')
    return path


@pytest.fixture
def originals(tmp_path: Path) -> list[Original]:
    folder = Folder.of(tmp_path / "state")
    made = []
    for number, place in enumerate([folder.shared("git", "old"), folder.own("p@main", "files", "new")]):

        def fill(path: Path) -> None:
            path.mkdir()
            (path / "data").write_bytes(os.urandom(100 * KIBI))

        folder.make(place, ["git", "files"][number], f"https://example.org/{number}", fill)
        place.touch()
        os.utime(place.directory / "used", (86400 * (number + 1),) * 2)
        made.append(place)
    note = tmp_path / "state/engine/p/0/cache/elementsources/key"
    note.parent.mkdir(parents=True)
    note.write_bytes(b"x")
    return made


def mirrors(*arguments: str) -> str:
    # As a process of its own: a command has all of its process log in its way.
    done = run("mirrors", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_list_begins_with_what_was_not_used_for_longest(config: Path, originals: list[Original]) -> None:
    with pinned([originals[1]], 1.0):
        lines = mirrors("list", "--config", str(config)).splitlines()
    assert "shared  git  https://example.org/0" in lines[0]
    assert lines[1].endswith("p  files  https://example.org/1  pinned")
    assert lines[-1].endswith("in all")


def test_programs_get_bytes_time_and_whose_it_is(config: Path, originals: list[Original]) -> None:
    told = [json.loads(line) for line in mirrors("list", "--json", "--config", str(config)).splitlines()]
    assert [(each["kind"], each["upstream"], each["project"], each["pinned"]) for each in told] == [
        ("git", "https://example.org/0", None, False),
        ("files", "https://example.org/1", "p", False),
        ("elementsources", None, "p", True),
    ]
    assert [each["last_use"] for each in told[:2]] == [86400.0, 172800.0]
    assert all(each["bytes"] > 100 * KIBI for each in told[:2])


def test_expiry_keeps_to_the_configured_quota_or_a_given_one(config: Path, originals: list[Original]) -> None:
    old, new = originals
    tried = mirrors("expire", "--dry-run", "--config", str(config))
    assert "https://example.org/0" in tried
    assert "would be given up" in tried
    assert old.content.is_dir()
    assert "https://example.org/0" in mirrors("expire", "--config", str(config))
    assert not old.content.exists()
    assert mirrors("expire", "--config", str(config)).startswith("0 B given up")
    (line,) = mirrors("expire", "--quota", "0", "--json", "--config", str(config)).splitlines()
    assert json.loads(line)["path"] == str(new.directory)
    assert not new.content.exists()
