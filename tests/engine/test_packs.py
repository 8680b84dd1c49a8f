"""Small packs, as git itself makes them and as nobody should, into a mirror that git then looks at."""

import hashlib
import shutil
import struct
import subprocess
import time
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygit2
import pytest
from dulwich.objects import Blob, Commit, Tree
from dulwich.pack import OFS_DELTA, REF_DELTA
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookfetch.demo.repositories import ISOLATED, Repository, create_repository
from hookfetch.engine.fetching.packs import MOST_BYTES, MOST_OBJECTS, Unsuited, commits_of, point, store

ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/local/bin", **ISOLATED}
WHO = b"Lab <lab@example.org> 1700000000 +0000"
MEGABYTE = 1024 * 1024


def git(path: Path, *arguments: str, feed: bytes | None = None) -> bytes:
    command = ["git", "-C", str(path), *arguments]
    return subprocess.run(command, input=feed, env=ENVIRONMENT, check=True, capture_output=True).stdout


@dataclass(frozen=True)
class Mirror:
    """An upstream, and a bare mirror of what it was at `known`."""

    upstream: Repository
    path: Path
    known: str

    def pack(self, *wanted: str, offsets: bool = False, thin: bool = True) -> bytes:
        """Return what the upstream would send of `wanted`."""
        options = [*(["--thin"] if thin else []), *(["--delta-base-offset"] if offsets else [])]
        feed = "".join(f"{each}\n" for each in (*wanted, f"^{self.known}")).encode()
        command = ("pack-objects", "--revs", "--stdout", "-q", "--window=50", *options)
        return git(self.upstream.path, *command, feed=feed)

    def objects(self) -> set[str]:
        listed = git(self.path, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
        return set(listed.decode().split())

    def files(self) -> set[Path]:
        return set(self.path.rglob("*"))

    def refuses(self, pack: bytes, because: str | None = None) -> None:
        """Assert that nothing of `pack` is written."""
        before = self.files()
        with pytest.raises(Unsuited, match=because):
            store(self.path, pack)
        assert self.files() == before

    def is_whole(self) -> None:
        """Assert that every object is sound, and all that it names there."""
        git(self.path, "fsck", "--full", "--strict")

    def has_of_upstream(self, *wanted: str) -> None:
        """Assert that the mirror has the history of `wanted`, byte for byte, and is whole."""
        self.is_whole()
        names = git(self.upstream.path, "rev-list", "--objects", "--no-object-names", *wanted)
        contents = [git(path, "cat-file", "--batch", feed=names) for path in (self.upstream.path, self.path)]
        assert b" missing\n" not in contents[1]
        assert contents[0] == contents[1]


def numbers(last: str) -> str:
    """Return a text that is worth a delta."""
    return (
        "".join(f"line {number} {hashlib.sha256(str(number).encode()).hexdigest()}\n" for number in range(60))
        + last
    )


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    upstream = create_repository(tmp_path, "upstream")
    known = upstream.commit({"big": numbers("0"), "a/b/c": "1", "a/d": "2"}, "first")
    path = tmp_path / "mirror.git"
    git(tmp_path, "clone", "--quiet", "--mirror", str(upstream.path), str(path))
    return Mirror(upstream, path, known)


def varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def entry(kind: int, content: bytes, *, base: bytes = b"", size: int | None = None) -> bytes:
    """Return an object, or a delta, as it stands in a pack; it says that it has `size`."""
    size = len(content) if size is None else size
    first, rest = kind << 4 | size & 0x0F, size >> 4
    header = bytes([first | 0x80]) + varint(rest) if rest else bytes([first])
    return header + base + zlib.compress(content)


def sealed(body: bytes) -> bytes:
    return body + hashlib.sha1(body).digest()  # noqa: S324 - the format's own


def pack_of(*entries: bytes, count: int | None = None) -> bytes:
    head = b"PACK" + struct.pack(">II", 2, len(entries) if count is None else count)
    return sealed(head + b"".join(entries))


def raw(kind: type[Blob | Tree | Commit], content: bytes) -> bytes:
    """Return the name that git gives to a content."""
    named = b"%s %d\0" % (kind.type_name, len(content)) + content
    return hashlib.sha1(named).digest()  # noqa: S324 - the same


def tree_of(name: bytes, mode: bytes, target: bytes) -> bytes:
    return mode + b" " + name + b"\0" + target


def commit_of(tree: bytes, *parents: bytes) -> bytes:
    lines = [b"tree " + tree.hex().encode(), *(b"parent " + each.hex().encode() for each in parents)]
    return b"\n".join([*lines, b"author " + WHO, b"committer " + WHO, b"", b"said"])


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


# What somebody damaged.


def test_a_byte_that_is_another_is_noticed_wherever_it_stands(mirror: Mirror) -> None:
    pack = mirror.pack(mirror.upstream.commit({"a/d": "3"}, "more"), offsets=True)
    before = mirror.files()
    for place in range(len(pack)):
        damaged = bytearray(pack)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(Unsuited):
            store(mirror.path, bytes(damaged))
    assert mirror.files() == before


def test_a_byte_that_somebody_changed_and_sealed_writes_no_half(mirror: Mirror) -> None:
    pack = mirror.pack(mirror.upstream.commit({"a/d": "3", "big": numbers("1")}, "more"), offsets=True)
    before = mirror.objects()
    for place in range(len(pack) - 20):
        damaged = bytearray(pack[:-20])
        damaged[place] ^= 1 << place % 8
        try:
            store(mirror.path, sealed(bytes(damaged)))
        except Unsuited:
            continue
        mirror.is_whole()
    assert mirror.objects() >= before


@pytest.mark.parametrize("sealing", [bytes, sealed])
def test_a_pack_that_is_cut_short_is_refused(sealing: Callable[[bytes], bytes], mirror: Mirror) -> None:
    pack = mirror.pack(mirror.upstream.commit({"a/d": "3"}, "more"))
    before = mirror.files()
    for end in range(len(pack)):
        if sealing is sealed and end == len(pack) - 20:
            continue  # that is the pack itself
        with pytest.raises(Unsuited):
            store(mirror.path, sealing(pack[:end]))
    assert mirror.files() == before


def test_something_after_the_last_object_is_refused(mirror: Mirror) -> None:
    pack = mirror.pack(mirror.upstream.commit({"a/d": "3"}, "more"))
    mirror.refuses(pack + b"x", "damaged")
    mirror.refuses(sealed(pack[:-20] + b"x"), "something after")
    mirror.refuses(sealed(pack), "something after")


@pytest.mark.parametrize("more", [-1, 1, 10])
def test_a_number_of_objects_that_lies_is_refused(more: int, mirror: Mirror) -> None:
    body = mirror.pack(mirror.upstream.commit({"a/d": "3"}, "more"))[:-20]
    count = struct.unpack(">I", body[8:12])[0] + more
    mirror.refuses(sealed(body[:8] + struct.pack(">I", count) + body[12:]))


@pytest.mark.parametrize("head", [b"PACK\0\0\0\3", b"KCAP\0\0\0\2", b"PACK\0\0\0\0"])
def test_another_format_is_refused(head: bytes, mirror: Mirror) -> None:
    mirror.refuses(sealed(head + bytes(4)), "no pack")


# What names something that is nowhere.


def test_a_tree_without_its_file_is_refused(mirror: Mirror) -> None:
    tree = tree_of(b"a", b"100644", b"\1" * 20)
    mirror.refuses(pack_of(entry(2, tree)), "is missing")
    commit = commit_of(raw(Tree, tree))
    mirror.refuses(pack_of(entry(1, commit), entry(2, tree), entry(3, b"another")), "is missing")


def test_a_commit_without_its_parent_or_tree_is_refused(mirror: Mirror) -> None:
    tree = tree_of(b"a", b"100644", raw(Blob, b"1"))
    whole = (entry(2, tree), entry(3, b"1"))
    mirror.refuses(pack_of(entry(1, commit_of(raw(Tree, tree), b"\1" * 20)), *whole), "is missing")
    mirror.refuses(pack_of(entry(1, commit_of(b"\1" * 20)), *whole), "is missing")
    store(mirror.path, pack_of(entry(1, commit_of(raw(Tree, tree), bytes.fromhex(mirror.known))), *whole))
    mirror.is_whole()


def test_a_tag_without_its_object_is_refused(mirror: Mirror) -> None:
    tag = b"object " + b"1" * 40 + b"\ntype commit\ntag v1\ntagger " + WHO + b"\n\nsaid\n"
    mirror.refuses(pack_of(entry(4, tag)), "is missing")


def test_a_submodule_needs_no_commit(mirror: Mirror) -> None:
    tree = tree_of(b"sub", b"160000", b"\1" * 20)
    store(mirror.path, pack_of(entry(2, tree)))
    mirror.is_whole()


def test_each_object_of_a_real_pack_is_missed(mirror: Mirror) -> None:
    tip = mirror.upstream.commit({"a/b/c": "new", "e/f": "more"}, "more")
    names = git(mirror.upstream.path, "rev-list", "--objects", "--no-object-names", tip, f"^{mirror.known}")
    objects = {}
    for name in names.decode().split():
        kind = git(mirror.upstream.path, "cat-file", "-t", name).decode().strip()
        content = git(mirror.upstream.path, "cat-file", kind, name)
        objects[name] = entry({"commit": 1, "tree": 2, "blob": 3}[kind], content)
    for left_out in objects.keys() - {tip}:
        mirror.refuses(pack_of(*(objects[name] for name in objects if name != left_out)), "is missing")
    store(mirror.path, pack_of(*objects.values()))
    mirror.has_of_upstream(tip)


@pytest.mark.parametrize("base", [b"\1" * 20, bytes(20)])
def test_a_delta_without_its_base_is_refused(base: bytes, mirror: Mirror) -> None:
    delta = varint(1) + varint(1) + b"\1x"
    mirror.refuses(pack_of(entry(REF_DELTA, delta, base=base)))
    for offset in (b"\0", b"\1", b"\x0d", b"\x7f", b"\xff\xff\xff\x7f"):
        mirror.refuses(pack_of(entry(3, b"1"), entry(OFS_DELTA, delta, base=offset)))


def test_deltas_that_stand_on_each_other_are_refused(mirror: Mirror) -> None:
    one, two = raw(Blob, b"x"), raw(Blob, b"y")
    delta = varint(1) + varint(1) + b"\1"
    circle = entry(REF_DELTA, delta + b"x", base=two), entry(REF_DELTA, delta + b"y", base=one)
    mirror.refuses(pack_of(*circle))


# What is no object.

TREE = tree_of(b"a", b"100644", b"\1" * 20)
MALFORMED = [
    (1, b""),
    (1, b"tree nothing\n"),
    (1, b"tree " + b"1" * 40 + b"\n\nno author"),
    (1, b"\xff\xfe\0"),
    (2, b"100644 a"),
    (2, TREE[:-1]),
    (2, TREE + TREE),
    (2, tree_of(b"b", b"100644", b"\1" * 20) + TREE),
    (2, tree_of(b"..", b"40000", b"\1" * 20)),
    (2, tree_of(b".git", b"40000", b"\1" * 20)),
    (2, tree_of(b"a/b", b"100644", b"\1" * 20)),
    (2, tree_of(b"", b"100644", b"\1" * 20)),
    (2, tree_of(b"a", b"777", b"\1" * 20)),
    (2, tree_of(b"a", b"9x", b"\1" * 20)),
    (4, b""),
    (4, b"object 1\ntype x\ntag"),
    (0, b"none"),
    (5, b"reserved"),
]


@pytest.mark.parametrize(("kind", "content"), MALFORMED)
def test_a_malformed_object_is_refused(kind: int, content: bytes, mirror: Mirror) -> None:
    mirror.refuses(pack_of(entry(3, b"sound"), entry(kind, content)))


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_changed_contents_are_stored_with_all_they_name_or_not_at_all(data: Any, mirror: Mirror) -> None:
    blob = data.draw(st.binary(max_size=30))
    tree = tree_of(b"name", b"100644", raw(Blob, blob)) + tree_of(b"sub", b"160000", b"\1" * 20)
    commit = commit_of(raw(Tree, tree), bytes.fromhex(mirror.known))
    contents = [bytearray(commit), bytearray(tree), bytearray(blob)]
    changed = contents[data.draw(st.integers(0, 2))]
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(changed)))
        changed[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    entries = [entry(kind, bytes(each)) for kind, each in enumerate(contents, 1)]
    pack = pack_of(*data.draw(st.permutations(entries)))
    before = mirror.files()
    try:
        store(mirror.path, pack)
    except Unsuited:
        assert mirror.files() == before
    else:
        git(mirror.path, "rev-list", "--objects", raw(Commit, bytes(contents[0])).hex())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(delta=st.binary(max_size=40), honest=st.booleans())
def test_no_delta_does_more_than_be_refused(delta: bytes, honest: bool, mirror: Mirror) -> None:
    base = b"0123456789"
    if honest:
        delta = varint(len(base)) + varint(10) + delta
    try:
        store(mirror.path, pack_of(entry(3, base), entry(REF_DELTA, delta, base=raw(Blob, base))))
    except Unsuited:
        return
    assert any(set(delta))


# What is too much.


def bounded(mirror: Mirror, pack: bytes, most: int, because: str | None = None) -> None:
    """Assert that `pack` is refused soon, for less than `most` bytes of memory."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        mirror.refuses(pack, because)
        assert tracemalloc.get_traced_memory()[1] < most
        assert time.monotonic() - began < 20
    finally:
        tracemalloc.stop()


def test_many_objects_are_refused_unread(mirror: Mirror) -> None:
    mirror.refuses(pack_of(count=MOST_OBJECTS + 1), "objects")
    mirror.refuses(pack_of(count=2**32 - 1), "objects")


@pytest.mark.parametrize("said", [10, None])
def test_a_small_pack_does_not_become_a_large_object(said: int | None, mirror: Mirror) -> None:
    bomb = entry(3, bytes(MOST_BYTES + 1), size=said)
    assert len(bomb) < MEGABYTE
    bounded(mirror, pack_of(bomb), 2 * MEGABYTE, "more than" if said is None else "exceeds")


def test_nor_many_that_are_large_together(mirror: Mirror) -> None:
    bomb = entry(3, bytes(MOST_BYTES // 4))
    bounded(mirror, pack_of(*[bomb] * 5), 6 * MOST_BYTES, "more than")


def test_nor_by_deltas(mirror: Mirror) -> None:
    base = bytes(MEGABYTE)
    copies = b"\xf0\xff\xff\x0f" * (MOST_BYTES // (MEGABYTE - 1) + 1)
    for size in (MOST_BYTES + 1, 2**40, 2**62):
        delta = varint(len(base)) + varint(size) + copies
        bounded(
            mirror,
            pack_of(entry(3, base), entry(REF_DELTA, delta, base=raw(Blob, base))),
            8 * MEGABYTE,
            "more than",
        )
    # One that says less than it makes.
    delta = varint(len(base)) + varint(5) + copies
    lying = pack_of(entry(3, base), entry(REF_DELTA, delta, base=raw(Blob, base)))
    bounded(mirror, lying, 8 * MEGABYTE, "ApplyDelta")
    # Each a little, all together too much.
    delta = varint(len(base)) + varint(MEGABYTE) + b"\xf0\xff\xff\x0f" + b"\xb0\1\0"
    many = [entry(REF_DELTA, delta, base=raw(Blob, base))] * (MOST_BYTES // MEGABYTE + 1)
    bounded(mirror, pack_of(entry(3, base), *many), 3 * MOST_BYTES, "more than|ApplyDelta")


def test_numbers_without_end_are_refused_soon(mirror: Mirror) -> None:
    endless = b"\x80" * (2 * MEGABYTE) + b"\0"
    bounded(mirror, pack_of(b"\xb0" + endless + zlib.compress(b"")), 8 * MEGABYTE)
    bounded(mirror, pack_of(entry(3, b"1"), entry(OFS_DELTA, b"x", base=endless)), 8 * MEGABYTE)
    endless_delta = entry(REF_DELTA, endless, base=raw(Blob, b"1"))
    bounded(mirror, pack_of(entry(3, b"1"), endless_delta), 12 * MEGABYTE)


def test_a_directory_without_end_is_not_taken_apart(mirror: Mirror) -> None:
    tree = b"".join(tree_of(b"%06d" % number, b"160000", b"\1" * 20) for number in range(500_000))
    bounded(mirror, pack_of(entry(2, tree)), 3 * len(tree), "beside files")


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
