"""Originals are made whole, locked between processes, and given up whole."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hookfetch.core.errors import Temporary
from hookfetch.originals.expiry import NOTE_PINNED, expire, listed, make_room
from hookfetch.originals.folder import Folder, Original, alone, pinned
from hookfetch.originals.locks import Lock

KIBI = 1024


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.of(tmp_path)


def make(folder: Folder, original: Original, size: int, used: float) -> Original:
    def fill(path: Path) -> None:
        path.mkdir()
        (path / "data").write_bytes(os.urandom(size))

    folder.make(original, "files", f"https://example.org/{original.directory.name[-4:]}", fill)
    original.touch()
    os.utime(original.directory / "used", (used, used))
    return original


def names(folder: Folder) -> list[str]:
    return [original.directory.name for _, original in folder]


def test_an_original_is_found_by_kind_and_upstream_and_one_that_is_private_by_project(folder: Folder) -> None:
    shared = folder.shared("git", "https://example.org/a")
    assert shared == folder.shared("git", "https://example.org/a")
    assert shared != folder.shared("git", "https://example.org/b")
    assert shared != folder.shared("files", "https://example.org/a")
    own = folder.own("p@main", "git", "https://example.org/a")
    assert own == folder.own("p@other%2Fbranch", "git", "https://example.org/a")
    assert own != folder.own("q", "git", "https://example.org/a")
    assert own.directory.is_relative_to(folder.root / "projects" / "p")
    assert folder.own("../x", "a/b", "c").directory.parent.parent == folder.root / "projects"


def test_passwords_are_not_written_down(folder: Folder) -> None:
    original = folder.own("p", "git", "https://user:secret@example.org/a")
    folder.make(original, "git", "https://user:secret@example.org/a", Path.mkdir)
    assert original.about() == ("git", "https://example.org/a")
    assert not any("secret" in path.read_text() for path in folder.root.rglob("*.json"))


def test_the_least_recently_used_are_given_up_with_their_locks_and_a_dry_run_gives_up_nothing(
    folder: Folder, tmp_path: Path
) -> None:
    old, new = folder.shared("files", "old"), folder.own("p", "files", "new")
    make(folder, old, 64 * KIBI, used=1000.0)
    make(folder, new, 64 * KIBI, used=2000.0)
    with alone([old, new], 1.0):
        pass
    kept = sorted(listed(tmp_path, time.time()), key=lambda entry: entry.kept.used)
    assert [(entry.kept.used, entry.project, entry.kept.pinned) for entry in kept] == [
        (1000.0, None, False),
        (2000.0, "p", False),
    ]
    assert all(entry.kept.bytes >= 64 * KIBI for entry in kept)
    quota = kept[1].kept.bytes

    tried = expire(tmp_path, quota, dry_run=True)
    assert [entry.path for entry in tried.given_up] == [old.directory]
    assert old.content.is_dir()

    done = expire(tmp_path, quota)
    assert [entry.path for entry in done.given_up] == [old.directory]
    assert done.bytes_left == tried.bytes_left == quota
    assert names(folder) == [new.directory.name]
    assert not list((folder.root / "shared").iterdir())
    assert not list((folder.root / "trash").iterdir())


def test_what_a_job_uses_or_has_used_since_it_was_looked_at_stays(folder: Folder, tmp_path: Path) -> None:
    first = make(folder, folder.shared("files", "1"), KIBI, used=1000.0)
    second = make(folder, folder.shared("files", "2"), KIBI, used=2000.0)
    looked: list[Path] = []

    def look(path: Path) -> None:
        looked.append(path)
        if looked.count(second.directory) == 2:  # it is about to go
            second.touch()

    with pinned([first], 1.0):
        done = expire(tmp_path, 0, look=look)
        seen = {entry.original: entry.kept.pinned for entry in listed(tmp_path, time.time())}
        assert seen == {first: True, second: False}
    assert done.given_up == ()
    assert first.content.is_dir()
    assert second.content.is_dir()
    assert len(expire(tmp_path, 0).given_up) == 2


def test_a_full_disk_costs_the_oldest_quarter(folder: Folder, tmp_path: Path) -> None:
    for number in range(8):
        make(folder, folder.shared("files", str(number)), 64 * KIBI, used=1000.0 + number)
    assert [entry.kept.used for entry in make_room(tmp_path, 2**40).given_up] == [1000.0, 1001.0]


def test_notes_of_staged_sources_expire_too_unless_a_job_may_have_just_looked_one_up(tmp_path: Path) -> None:
    cache = tmp_path / "engine" / "p" / "0" / "cache"
    for number, name in enumerate(["source_protos/git/a", "elementsources/b", "elementsources/c"]):
        path = cache / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        age = 0 if name.endswith("c") else NOTE_PINNED + 100 - number
        os.utime(path, (time.time() - age,) * 2)

    done = expire(tmp_path, 0)

    assert [entry.path.name for entry in done.given_up] == ["a", "b"]
    assert [path.name for path in cache.glob("*/c")] == ["c"]


def test_one_changes_an_original_and_others_wait_for_so_long_and_no_longer(folder: Folder) -> None:
    original = make(folder, folder.shared("files", "a"), KIBI, used=1000.0)
    with alone([original], 1.0), pinned([original], 1.0), pinned([original], 1.0):
        began = time.monotonic()
        still = r"another worker is still at the mirror of https://example\.org/"
        with pytest.raises(Temporary, match=still), alone([original], 0.2):
            raise AssertionError("two at once")
        assert 0.2 <= time.monotonic() - began < 2.0
    with alone([original], 0.0) as unfinished:
        assert unfinished == []


def test_who_is_killed_frees_what_it_held_and_the_next_one_knows(folder: Folder) -> None:
    original = make(folder, folder.shared("files", "a"), KIBI, used=1000.0)
    code = """
import sys, time
from pathlib import Path
from hookfetch.originals.folder import Original, alone, pinned
original = Original(Path(sys.argv[1]))
with pinned([original], 1.0), alone([original], 1.0):
    print("held", flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", code, str(original.directory)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert Lock.try_now(original.pin, shared=False) is None
        assert Lock.try_now(original.work, shared=False) is None
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with pinned([original], 1.0), alone([original], 1.0) as unfinished:
        assert unfinished == [original]
    with alone([original], 1.0) as unfinished:
        assert unfinished == []


def test_a_lock_whose_file_was_removed_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.pin"
    first = Lock.try_now(path, shared=False)
    assert first is not None
    with first:
        first.remove()
        second = Lock.try_now(path, shared=False)
        assert second is not None
        with second:
            assert Lock.try_now(path, shared=True) is None


def test_expiry_that_was_killed_anywhere_leaves_each_whole_or_gone_and_the_next_one_tidies(
    folder: Folder, tmp_path: Path
) -> None:
    for number in range(60):
        original = make(folder, folder.shared("files", str(number)), KIBI, used=1000.0 + number)
        for extra in range(20):
            (original.content / str(extra)).write_bytes(b"x")
    code = """
import sys
from pathlib import Path
from hookfetch.originals.expiry import expire
expire(Path(sys.argv[1]), 0)
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    try:
        deadline = time.monotonic() + 30
        while len(names(folder)) > 55 and time.monotonic() < deadline:
            pass
    finally:
        process.kill()
        process.wait()
    left = [original for _, original in folder]
    assert left
    for original in left:
        assert len(list(original.content.iterdir())) == 21
        assert original.used is not None
    assert len(expire(tmp_path, 0).given_up) == len(left)
    assert not list((folder.root / "trash").iterdir())
    assert not list((folder.root / "shared").iterdir())
