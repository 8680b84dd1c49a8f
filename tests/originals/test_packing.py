"""Mirrors are packed beside the jobs; nothing is lost, whoever is killed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hookfetch.demo.repositories import ISOLATED, create_repository
from hookfetch.originals.folder import Folder, Original, pinned
from hookfetch.originals.packing import PACKS, pack, pack_scattered

NEVER = threading.Event()


def git(place: Path, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], **ISOLATED}
    command = ["git", "-C", place, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def scattered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository of more packs than are left alone, and a commit of it that no ref names."""
    repository = create_repository(tmp_path_factory.mktemp("scattered"), "content")
    git(repository.path, "config", "fastimport.unpackLimit", "1")
    for number in range(PACKS + 2):
        repository.commit({"file": os.urandom(30_000).hex(), "name": str(number)}, f"{number}")
    lost = repository.commit({"lost": "x"}, "lost", branch="lost")
    repository.delete("refs/heads/lost")
    return repository.path, lost


@pytest.fixture
def mirror(tmp_path: Path, scattered: tuple[Path, str]) -> Original:
    original = Folder.of(tmp_path).shared("git", "https://example.org/a")
    shutil.copytree(scattered[0], original.content)
    (original.directory / "lost").write_text(scattered[1])
    return original


def packs(original: Original) -> list[str]:
    return [path.name for path in (original.content / "objects/pack").iterdir()]


def sound(original: Original) -> None:
    git(original.content, "fsck", "--strict", "--full")
    assert git(original.content, "rev-list", "--count", "main") == str(PACKS + 2)
    lost = (original.directory / "lost").read_text()
    assert git(original.content, "cat-file", "-t", lost) == "commit"


def test_a_scattered_mirror_becomes_one_pack_with_what_no_ref_names(mirror: Original, tmp_path: Path) -> None:
    assert len([name for name in packs(mirror) if name.endswith(".pack")]) > PACKS
    pack_scattered(Folder.of(tmp_path), NEVER)
    assert len([name for name in packs(mirror) if name.endswith(".pack")]) == 1
    sound(mirror)


def test_a_mirror_in_use_and_one_in_order_are_left_alone(mirror: Original, tmp_path: Path) -> None:
    before = packs(mirror)
    with pinned([mirror], 1.0):
        pack_scattered(Folder.of(tmp_path), NEVER)
    assert packs(mirror) == before
    pack(mirror, NEVER)
    after = packs(mirror)
    pack_scattered(Folder.of(tmp_path), NEVER)
    assert packs(mirror) == after


def test_packing_ends_soon_when_it_is_to_stop(mirror: Original) -> None:
    stop = threading.Event()
    stop.set()
    pack(mirror, stop)
    assert len([name for name in packs(mirror) if name.endswith(".pack")]) > PACKS
    sound(mirror)


@pytest.mark.parametrize("after", [0.0, 0.1])
def test_packing_that_was_killed_leaves_a_sound_mirror_which_is_packed_the_next_time(
    mirror: Original, after: float
) -> None:
    code = """
import sys, threading
from pathlib import Path
from hookfetch.originals.folder import Original
from hookfetch.originals.packing import pack
print("begins", flush=True)
pack(Original(Path(sys.argv[1])), threading.Event())
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(mirror.directory)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begins\n"
    until = time.monotonic() + after
    while time.monotonic() < until:
        pass
    os.killpg(process.pid, signal.SIGKILL)  # git and all
    process.communicate()
    sound(mirror)

    pack(mirror, NEVER)

    assert {name.rpartition(".")[2] for name in packs(mirror)} - {"rev"} == {"idx", "pack"}
    assert len({name.partition(".")[0] for name in packs(mirror)}) == 1
    sound(mirror)
