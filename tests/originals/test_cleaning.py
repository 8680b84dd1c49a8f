"""What one who was killed left behind is no obstacle, and what is whole stays."""

from pathlib import Path

import pytest

from hookfetch.originals.cleaning import clean

A, B = "a" * 40, "b" * 40


def lay(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def left(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_locks_and_unfinished_files_of_git_and_buildstream_go_and_nothing_else(tmp_path: Path) -> None:
    whole = {
        "m/HEAD",
        "m/refs/heads/main",
        "m/refs/heads/tmp_pack_x",
        "m/refs/heads/tmpabcd1234/x",
        "tmp_it_glib_git/HEAD",
        "m/objects/pack/pack-1.pack",
        "m/objects/17/tmpl",
        "crates/x/Cargo.lock",
    }
    lay(tmp_path, *whole)
    lay(
        tmp_path, "m/config.lock", "m/packed-refs.lock", "m/refs/heads/a/b.lock", "m/objects/pack/tmp_pack_x1"
    )
    lay(tmp_path, "m/objects/pack/.tmp-1-pack-2.idx", "m/objects/17/tmp_obj_x", "tmpabcd1234/HEAD")
    lay(tmp_path, "m/objects/tmp_objdir-incoming-x/y")
    clean(tmp_path)
    assert left(tmp_path) == whole


@pytest.mark.parametrize(
    ("shallow", "lock", "ends"),
    [
        (None, f"{A}\n", {A}),
        (f"{A}\n", f"{B}\n", {A, B}),
        (f"{A}\n", f"{A}\n{B[:17]}", {A}),
        (f"{A}\n", "", {A}),
        (None, "", set()),
        (None, B[:3], set()),
    ],
)
def test_ends_of_history_that_a_shallow_fetch_did_not_live_to_note_are_noted(
    shallow: str | None, lock: str, ends: set[str], tmp_path: Path
) -> None:
    lay(tmp_path, "objects/pack/pack-1.pack", "HEAD")
    if shallow is not None:
        (tmp_path / "shallow").write_text(shallow)
    (tmp_path / "shallow.lock").write_text(lock)
    clean(tmp_path)
    assert not (tmp_path / "shallow.lock").exists()
    found = (tmp_path / "shallow").read_text().split() if (tmp_path / "shallow").exists() else []
    assert set(found) == ends
