"""Small packs, as git itself makes them, into a mirror that git then looks at."""

import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pygit2
import pytest
from dulwich.objects import Commit
from dulwich.pack import OFS_DELTA, REF_DELTA

from hookfetch.engine.fetching.packs import commits_of, point, store
from tests.engine.packs import WHO, Mirror, entry, git, numbers, pack_of, raw

# What git makes.


@pytest.mark.parametrize("offsets", [False, True])
@pytest.mark.parametrize("thin", [False, True])
def test_what_git_sends_is_stored_as_it_is(offsets: bool, thin: bool, mirror: Mirror) -> None:
    commits = [mirror.upstream.commit({"big": numbers(str(n) * 20), f"n{n}": "x"}, "more") for n in range(5)]
    mirror.upstream.link("sub", "1" * 40, "a submodule")
    tip = mirror.upstream.commit({"bin": bytes(range(256)), "empty": ""}, "")
    pack = mirror.pack(tip, offsets=offsets, thin=thin)
    store(mirror.path, pack)
    point(mirror.path, "refs/heads/main", tip)
    mirror.has_of_upstream(tip, *commits)


def test_deltas_are_of_both_kinds_and_stand_on_what_the_mirror_has(mirror: Mirror) -> None:
    tip = ""
    for number in range(3):
        files = {"big": numbers(str(number)), "new": numbers("new" + str(number) * 9)[500:]}
        tip = mirror.upstream.commit(files, "more")
    kinds = set()
    for offsets in False, True:
        pack = mirror.pack(tip, offsets=offsets)
        alone = subprocess.run(
            ["git", "-C", str(mirror.path.parent), "index-pack", "--stdin"], input=pack, capture_output=True
        )
        assert alone.returncode != 0  # git, too, needs the mirror for its bases
        kinds |= set(kinds_in(pack))
        store(mirror.path, pack)
    assert {OFS_DELTA, REF_DELTA} <= kinds
    mirror.has_of_upstream(tip)


def kinds_in(pack: bytes) -> list[int]:
    kinds, place = [], 12
    for _ in range(struct.unpack(">I", pack[8:12])[0]):
        kinds.append(pack[place] >> 4 & 7)
        while pack[place] & 0x80:
            place += 1
        place += 1
        if kinds[-1] == REF_DELTA:
            place += 20
        elif kinds[-1] == OFS_DELTA:
            while pack[place] & 0x80:
                place += 1
            place += 1
        unpacking = zlib.decompressobj()
        unpacking.decompress(pack[place:])
        place = len(pack) - len(unpacking.unused_data)
    return kinds


def test_tags_symlinks_and_executables_come(mirror: Mirror) -> None:
    path = mirror.upstream.path
    feed = (
        f"commit refs/heads/main\nmark :1\nauthor A\u00e9 <a@b> 1 +0130\ncommitter {WHO.decode()}\n"
        "encoding latin1\ndata 2\n\u00e9\n"
        f"from {mirror.known}\nM 120000 inline link\ndata 3\na/d\nM 100755 inline run\ndata 1\nx\n"
        "M 100644 inline sub.dir\ndata 1\ny\nM 100644 inline sub/x\ndata 1\nz\n\n"
    )
    git(path, "fast-import", "--quiet", feed=feed.encode("utf-8"))
    mirror.upstream.tag("v1", message="one")
    git(path, "-c", "user.name=x", "-c", "user.email=x@y", "tag", "-a", "-m", "of it", "of-tag", "v1")
    mirror.upstream.tag("light")
    outer = git(path, "rev-parse", "of-tag").decode().strip()
    store(mirror.path, mirror.pack("refs/tags/of-tag", "refs/tags/v1"))
    point(mirror.path, "refs/tags/of-tag", outer)
    mirror.has_of_upstream("refs/tags/of-tag")
    assert git(mirror.path, "cat-file", "-t", "refs/tags/of-tag") == b"tag\n"


def test_a_merge_of_two_histories_comes(mirror: Mirror) -> None:
    upstream = mirror.upstream
    left = upstream.commit({"l": "1"}, "left")
    upstream.point("refs/heads/other", mirror.known)
    right = upstream.commit({"r": "1"}, "right", branch="other")
    feed = (
        f"commit refs/heads/main\nmark :1\ncommitter {WHO.decode()}\ndata 1\nm\nfrom {left}\nmerge {right}\n"
    )
    git(upstream.path, "fast-import", "--quiet", feed=feed.encode())
    tip = upstream.commit_of("refs/heads/main")
    assert tip is not None
    store(mirror.path, mirror.pack(tip))
    mirror.has_of_upstream(tip)


def test_signatures_and_other_headers_stay_as_they_are(mirror: Mirror) -> None:
    tree = git(mirror.path, "rev-parse", f"{mirror.known}^{{tree}}").decode().strip()
    head = f"tree {tree}\nparent {mirror.known}\nauthor {WHO.decode()}\ncommitter {WHO.decode()}\n"
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ=\n -----END PGP SIGNATURE-----\n \n"
    for tail in (f"{signature}\nsaid\n", "x-other one\nx-other two\n\nsaid", "\n", "\n\r\n said \n\n"):
        content = (head + tail).encode()
        store(mirror.path, pack_of(entry(1, content)))
        name = raw(Commit, content).hex()
        assert git(mirror.path, "cat-file", "commit", name) == content
    mirror.is_whole()


def test_what_is_there_already_may_come_again(mirror: Mirror) -> None:
    tip = mirror.upstream.commit({"a/d": "3"}, "more")
    for _ in range(2):
        store(mirror.path, mirror.pack(tip))
    mirror.has_of_upstream(tip)


def test_an_empty_pack_is_nothing(mirror: Mirror) -> None:
    before = mirror.files()
    store(mirror.path, pack_of())
    assert mirror.files() == before


# When it dies in the middle.


class Died(BaseException):
    """Stands for a kill between two writes."""


@pytest.mark.parametrize("sends_commit_first", [True, False])
def test_killed_after_any_object_it_leaves_none_without_what_it_names(
    sends_commit_first: bool, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.upstream.commit({"a/b/c": "3", "x/y/z": "4", "big": numbers("1")}, "more")
    tip = mirror.upstream.commit({"a/b/c": "5", "x/y/w": "6"}, "more")
    mirror.upstream.tag("v1", message="one")
    pack = mirror.pack("refs/tags/v1")
    if not sends_commit_first:  # git begins with what names the others
        names = git(
            mirror.upstream.path, "rev-list", "--objects", "--no-object-names", tip, f"^{mirror.known}"
        )
        feed = b"\n".join(reversed(names.split()))
        pack = git(mirror.upstream.path, "pack-objects", "--stdout", "-q", feed=feed)
    written = 0
    left = 0

    class Dying(pygit2.Repository):
        @property
        def odb(self) -> Any:
            real = super().odb

            class Odb:
                exists, read, read_header = real.exists, real.read, real.read_header

                def write(self, kind: Any, content: bytes) -> Any:
                    nonlocal written
                    if written == left:
                        raise Died
                    written += 1
                    return real.write(kind, content)

            return Odb()

    monkeypatch.setattr(pygit2, "Repository", Dying)
    while True:
        copy = Mirror(mirror.upstream, tmp_path / f"copy{left}.git", mirror.known)
        shutil.copytree(mirror.path, copy.path)
        written = 0
        before = copy.objects()
        try:
            store(copy.path, pack)
            break
        except Died:
            assert len(copy.objects() - before) == left
            copy.is_whole()
        left += 1
    assert left >= 10
    copy.has_of_upstream(tip)


# Refs, and what is had.


def test_a_ref_is_pointed_wherever_it_was_before(mirror: Mirror) -> None:
    for ref in ("refs/heads/main", "refs/hookfetch/0123", "refs/tags/a/b"):
        for _ in range(2):
            point(mirror.path, ref, mirror.known)
        assert git(mirror.path, "rev-parse", ref).decode().strip() == mirror.known
    git(mirror.path, "pack-refs", "--all")
    other = mirror.upstream.commit({"a": "1"}, "more", branch="unborn")
    store(mirror.path, mirror.pack(other))
    for ref in ("refs/heads/main", "refs/tags/a/b"):
        point(mirror.path, ref, other)
        assert git(mirror.path, "rev-parse", ref).decode().strip() == other
    with pytest.raises(pygit2.GitError):
        point(mirror.path, "refs/tags/a", other)  # a folder of refs
    mirror.is_whole()


def test_no_ref_is_pointed_at_what_is_not_there(mirror: Mirror) -> None:
    with pytest.raises((pygit2.GitError, KeyError)):
        point(mirror.path, "refs/heads/main", "1" * 40)
    assert git(mirror.path, "rev-parse", "refs/heads/main").decode().strip() == mirror.known


def test_a_server_is_told_the_ref_itself_before_hundreds_of_others(mirror: Mirror) -> None:
    for number in range(70):
        point(mirror.path, f"refs/heads/b{number:02}", mirror.known)
    old = mirror.upstream.commit({"z": "1"}, "more")
    store(mirror.path, mirror.pack(old))
    point(mirror.path, "refs/heads/zz", old)
    blob = git(mirror.path, "rev-parse", f"{mirror.known}:big").decode().strip()
    point(mirror.path, "refs/heads/a-file", blob)  # stands for no commit
    assert commits_of(mirror.path, "refs/heads/zz", "1" * 40) == [old, mirror.known]
    assert commits_of(mirror.path, "refs/heads/zz", old) is None
    assert commits_of(mirror.path, "refs/heads/none", "1" * 40) == [mirror.known]


def test_a_long_history_is_told_in_part(mirror: Mirror) -> None:
    feed = "".join(
        f"commit refs/heads/long\ncommitter L <l@x> {1700000000 + n} +0000\ndata 1\nx\n" for n in range(200)
    )
    git(mirror.path, "fast-import", "--quiet", feed=feed.encode())
    newest = git(mirror.path, "rev-parse", "refs/heads/long").decode().strip()
    told = commits_of(mirror.path, "refs/heads/long", "1" * 40)
    assert told is not None
    assert told[0] == newest
    assert len(told) == len(set(told)) == 64
    assert mirror.known in told


def test_an_empty_mirror_has_nothing_to_tell(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    assert commits_of(tmp_path / "empty.git", "refs/heads/main", "1" * 40) == []
