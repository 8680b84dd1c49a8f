"""Packs as nobody should make them: nothing of one is written that is damaged, incomplete, or too much."""

import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from dulwich.objects import Blob, Commit, Tree
from dulwich.pack import OFS_DELTA, REF_DELTA
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookfetch.engine.fetching.packs import MOST_BYTES, MOST_OBJECTS, Unsuited, store
from tests.engine.packs import (
    WHO,
    Mirror,
    commit_of,
    entry,
    git,
    numbers,
    pack_of,
    raw,
    sealed,
    tree_of,
    varint,
)

MEGABYTE = 1024 * 1024

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
