"""The folder of dead letters: durable, bounded, and read by other processes."""

import stat
from pathlib import Path

import pytest

from hookfetch.bus.dead_letters import DeadLetterFolder
from hookfetch.core.errors import Busy, Temporary
from tests.bus.recorder import letter


def test_letters_are_seen_by_another_process_that_opens_the_folder(tmp_path: Path) -> None:
    buried = letter("hook/1", body=b"\x00\xff")
    DeadLetterFolder(tmp_path / "dead").add(buried)
    assert DeadLetterFolder(tmp_path / "dead").letters() == [buried]
    assert DeadLetterFolder(tmp_path / "dead").take("hook/1") == buried


def test_a_folder_that_was_never_written_to_holds_nothing(tmp_path: Path) -> None:
    folder = DeadLetterFolder(tmp_path / "dead")
    assert folder.letters() == []
    assert folder.take("hook/1") is None


def test_a_full_folder_refuses_a_new_letter_but_not_the_repeat_of_one(tmp_path: Path) -> None:
    folder = DeadLetterFolder(tmp_path, limit=2)
    first, second, repeat = letter("1"), letter("2"), letter("1")
    folder.add(first)
    folder.add(second)
    with pytest.raises(Busy, match="holds 2 dead letters"):
        folder.add(letter("3"))
    folder.add(repeat)
    assert folder.letters() == [second, repeat]


def test_what_waits_to_be_replayed_counts_until_it_is_taken_up(tmp_path: Path) -> None:
    folder = DeadLetterFolder(tmp_path, limit=2)
    first, second = letter("1", origin="project:p"), letter("2", origin="project:p")
    for buried in (first, second):
        folder.add(buried)
        assert folder.replay(buried)
    with pytest.raises(Busy, match="holds 2 dead letters"):
        folder.add(letter("3"))
    folder.taken_up(first)
    folder.add(letter("3"))


def test_large_letters_fill_a_folder_before_many_do(tmp_path: Path) -> None:
    folder = DeadLetterFolder(tmp_path, limit_bytes=100_000)
    folder.add(letter("1", body=bytes(60_000)))
    with pytest.raises(Busy, match="holds 1 dead letters, 80"):
        folder.add(letter("2", body=bytes(60_000)))
    folder.add(letter("3", body=bytes(6_000)))


def test_a_message_that_dies_again_has_one_letter_a_project(tmp_path: Path) -> None:
    folder = DeadLetterFolder(tmp_path)
    glib, gtk = letter("push", origin="project:glib"), letter("push", origin="project:gtk")
    for buried in (glib, gtk, glib):
        folder.add(buried)
    assert folder.letters() == [glib, gtk]
    assert [folder.take("push"), folder.take("push"), folder.take("push")] == [glib, gtk, None]


def test_a_file_that_is_no_letter_is_passed_over_and_left(tmp_path: Path) -> None:
    folder, kept = DeadLetterFolder(tmp_path), letter("1")
    folder.add(kept)
    for name, text in {"a": "{", "b": "[]", "c": '{"id": "x"}', "d": '{"body": "!"}'}.items():
        (tmp_path / f"{name}.json").write_text(text)
    assert folder.letters() == [kept]
    assert len(list(tmp_path.iterdir())) == 5


def test_an_interrupted_write_is_no_letter(tmp_path: Path) -> None:
    folder, kept = DeadLetterFolder(tmp_path), letter("1")
    folder.add(kept)
    [file] = tmp_path.iterdir()
    file.with_suffix(".tmp").write_text('{"id"')
    assert folder.letters() == [kept]
    folder.add(kept)
    assert list(tmp_path.iterdir()) == [file]


def test_letters_are_for_their_owner_only(tmp_path: Path) -> None:
    DeadLetterFolder(tmp_path / "dead").add(letter("1"))
    [file] = (tmp_path / "dead").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_disk_that_refuses_is_temporary(tmp_path: Path) -> None:
    (tmp_path / "dead").write_text("no folder")
    with pytest.raises(Temporary, match="cannot be kept"):
        DeadLetterFolder(tmp_path / "dead").add(letter("1"))
