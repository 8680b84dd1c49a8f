"""Texts are read and written within the project's folder, and nowhere else."""

import fcntl
import os
from pathlib import Path

import pytest

from hookfetch.core.errors import ConfigurationError
from hookfetch.edits import Refused
from hookfetch.updates.checkout import Checkout
from hookfetch.updates.planning import Edited


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "elements").mkdir(parents=True)
    (folder / "project.conf").write_text("name: lab\n")
    (folder / "elements/a.bst").write_bytes(b"ref: 1\r\n")
    (tmp_path / "outside.bst").write_text("ref: secret\n")
    return folder


def test_a_text_is_read_with_its_line_ends(folder: Path) -> None:
    assert Checkout(folder).read("elements/a.bst") == "ref: 1\r\n"
    assert Checkout(folder).read("elements/none.bst") is None


def test_a_folder_without_project_conf_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--directory"):
        Checkout(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "../outside.bst",
        "elements/../../outside.bst",
        "/etc/hostname",
        "linked.bst",
        "linked/outside.bst",
        "loop.bst",
        ".git/config",
        "elements/\x1b[2J.bst",
        "elements",
        "",
    ],
)
def test_nothing_outside_the_projects_files_is_read_or_written(folder: Path, path: str) -> None:
    (folder / "linked.bst").symlink_to("../outside.bst")
    (folder / "linked").symlink_to("..")
    (folder / "loop.bst").symlink_to("loop.bst")
    with pytest.raises(Refused):
        Checkout(folder).read(path)
    with pytest.raises(Refused):
        Checkout(folder).write([Edited(path=path, before=None, after="ref: 2\n")])
    assert (folder.parent / "outside.bst").read_text() == "ref: secret\n"


def test_what_is_no_text_is_refused(folder: Path) -> None:
    (folder / "elements/a.bst").write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="UTF-8"):
        Checkout(folder).read("elements/a.bst")


def test_files_are_replaced_whole_and_keep_their_mode(folder: Path) -> None:
    (folder / "elements/a.bst").chmod(0o640)
    changed = Edited(path="elements/a.bst", before="ref: 1\r\n", after="ref: 2\r\n")
    added = Edited(path="project.refs", before=None, after="projects: {}\n")
    Checkout(folder).write([changed, added])
    assert (folder / "elements/a.bst").read_bytes() == b"ref: 2\r\n"
    assert (folder / "elements/a.bst").stat().st_mode & 0o777 == 0o640
    assert (folder / "project.refs").read_text() == "projects: {}\n"
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "a.bst",
        "project.conf",
        "project.refs",
    ]


def test_when_one_file_was_changed_meanwhile_none_is_written(folder: Path) -> None:
    (folder / "elements/b.bst").write_text("ref: by a person\n")
    edited = [
        Edited(path=f"elements/{name}.bst", before="ref: 1\r\n", after="ref: 2\r\n") for name in ("a", "b")
    ]
    with pytest.raises(Refused, match=r"b\.bst has just been changed"):
        Checkout(folder).write(edited)
    assert (folder / "elements/a.bst").read_bytes() == b"ref: 1\r\n"


def test_while_another_one_writes_nothing_is_written(folder: Path) -> None:
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        with pytest.raises(Refused, match="another hookfetch"):
            Checkout(folder).write([Edited(path="elements/a.bst", before="ref: 1\r\n", after="")])
    finally:
        os.close(other)
