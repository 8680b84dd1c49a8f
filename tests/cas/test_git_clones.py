"""The `.git` of a clone is what git makes of the same mirror, and is not made where git may do otherwise."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hookfetch.cas.clone_template import new_clone_template, without_times
from hookfetch.cas.directories import Directory, Kept, Unsuited
from hookfetch.cas.dotgit import without_stat
from hookfetch.cas.git_objects import GitObjects
from hookfetch.cas.git_sources import GitSources, content_of, new_template
from tests.engine.shapes import SUBMODULE, Leaf, Shaped, file, link, program

LEAVES = {"a/b/c": file(b"c"), "a/bb/d": file(b"d"), "z/e": program(b"e"), "l": link(b"z"), "f": file(b"f")}


def git(place: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=place, capture_output=True, timeout=30, check=True)


@pytest.fixture
def upstream(tmp_path: Path) -> Shaped:
    return Shaped(tmp_path / "it.git")


def made(mirror: Path, ref: str) -> Directory:
    with GitObjects(mirror) as objects:
        staged = GitSources(new_template(), new_clone_template()).git_tag(
            objects, mirror, ref, bytes.fromhex(ref[-40:])
        )
    return staged.directories[".git"]


def cloned(mirror: Path, ref: str, place: Path) -> Path:
    git(place, "clone", "--no-checkout", "--no-hardlinks", str(mirror), str(place / "clone"))
    git(place / "clone", "checkout", "--force", ref)
    return place / "clone" / ".git"


def content(directory: Directory, place: str = "") -> dict[str, tuple[bytes, bool] | None]:
    """Return files by path, with whether they are programs; None for a directory that is empty."""
    found: dict[str, tuple[bytes, bool] | None] = {}
    for name, each in directory.files.items():
        found[place + name] = (content_of([], each.content), each.executable)
    for name, below in directory.directories.items():
        found |= content(below, f"{place}{name}/") or {f"{place}{name}": None}
    return found


def on_disk(root: Path) -> dict[str, tuple[bytes, bool] | None]:
    found: dict[str, tuple[bytes, bool] | None] = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_file():
            data = path.read_bytes()
            if name == "index":
                data = without_stat(data)
            elif name.startswith("logs/"):
                data = without_times(data)
            found[name] = (data, bool(path.stat().st_mode & 0o100))
        elif not any(path.iterdir()):
            found[name] = None
    return found


def loose(upstream: Shaped) -> str:
    return f"v1-1-g{upstream.commit(LEAVES, upstream.tag('v1', upstream.commit({'a': file(b'a')})))}"


def packed(upstream: Shaped) -> str:
    ref = loose(upstream)
    git(Path(upstream.repository.path), "-c", "repack.writeBitmaps=false", "repack", "-a", "-d", "-q")
    git(Path(upstream.repository.path), "pack-refs", "--all")
    return ref


def tags(upstream: Shaped) -> str:
    first = upstream.commit(LEAVES)
    upstream.tag("deep/er/1", upstream.tag("inner", first, annotated=True), annotated=True)
    upstream.tag("plain", first)
    upstream.commit({"b": file(b"b")}, first, ref="refs/heads/topic/x")
    upstream.commit({"b": file(b"c")}, first, ref="refs/hookfetch/other")
    return first


def another_default_branch(upstream: Shaped) -> str:
    commit = upstream.commit(LEAVES, ref="refs/heads/team/trunk")
    upstream.repository.set_head("refs/heads/team/trunk")
    return commit


def older(upstream: Shaped) -> str:
    first = upstream.commit(LEAVES)
    upstream.commit({"b": file(b"b")}, first)
    return first


@pytest.mark.parametrize("shape", [loose, packed, tags, another_default_branch, older])
def test_a_clone_is_what_git_makes(shape: Callable[[Shaped], str], upstream: Shaped, tmp_path: Path) -> None:
    ref = shape(upstream)
    ours = content(made(tmp_path / "it.git", ref))
    theirs = on_disk(cloned(tmp_path / "it.git", ref, tmp_path))
    assert ours.keys() == theirs.keys()
    assert ours == theirs


def test_object_files_are_named_and_not_read_again(upstream: Shaped, tmp_path: Path) -> None:
    ref = packed(upstream)
    files = made(tmp_path / "it.git", ref).directories["objects"].directories["pack"].files
    assert {Path(name).suffix for name in files} == {".pack", ".idx"}
    for name, each in files.items():
        assert each.content == Kept(tmp_path / "it.git/objects/pack" / name)


def shallow(mirror: Path, commit: str) -> None:
    (mirror / "shallow").write_text(f"{commit}\n")


def borrowing(mirror: Path, commit: str) -> None:
    (mirror / "objects/info/alternates").write_text("/elsewhere\n")


def unfinished(mirror: Path, commit: str) -> None:
    (mirror / "objects/pack/tmp_pack_abcdef").write_bytes(b"")


def linked(mirror: Path, commit: str) -> None:
    (mirror / f"objects/pack/pack-{'0' * 40}.pack").symlink_to("/etc/hostname")


def unborn(mirror: Path, commit: str) -> None:
    (mirror / "HEAD").write_text("ref: refs/heads/not-there\n")


def detached(mirror: Path, commit: str) -> None:
    (mirror / "HEAD").write_text(f"{commit}\n")


def quoted(mirror: Path, commit: str) -> None:
    (mirror / "HEAD").write_text('ref: refs/heads/a"b\n')


def standing_for_another(mirror: Path, commit: str) -> None:
    (mirror / "refs/heads/alias").write_text("ref: refs/heads/main\n")


def named_as_head(mirror: Path, commit: str) -> None:
    (mirror / "refs/heads/HEAD").write_text(f"{commit}\n")


@pytest.mark.parametrize(
    "odd",
    [shallow, borrowing, unfinished, linked, unborn, detached, quoted, standing_for_another, named_as_head],
)
def test_a_mirror_that_git_may_clone_otherwise_is_left_to_it(
    odd: Callable[[Path, str], None], upstream: Shaped, tmp_path: Path
) -> None:
    commit = upstream.commit(LEAVES)
    odd(tmp_path / "it.git", commit)
    with pytest.raises(Unsuited):
        made(tmp_path / "it.git", commit)


@pytest.mark.parametrize(
    "leaves",
    [
        {"m": Leaf(SUBMODULE, b"1" * 40)},
        {".gitmodules": file(b"")},
        {".gitattributes": file(b"*.bin diff=lfs\n")},
    ],
    ids=["submodule", "modules", "large files"],
)
def test_what_the_plugin_looks_at_more_closely_is_left_to_it(
    leaves: dict[str, Leaf], upstream: Shaped, tmp_path: Path
) -> None:
    commit = upstream.commit(leaves)
    with pytest.raises(Unsuited):
        made(tmp_path / "it.git", commit)
