"""The few objects of a small pack, as an upstream sends it, into a bare mirror: proved whole, then written
one by one, each after all that it names. Killed anywhere it leaves no commit without its files.

gitformat-pack(5). In the place of `git index-pack` and `git rev-list`, processes that cost more than so few
objects. Only for who holds the mirror alone.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from itertools import chain, islice
from pathlib import Path
from typing import cast

import pygit2
from dulwich.objects import S_ISGITLINK, Blob, Commit, ShaFile, Tag, Tree
from dulwich.pack import (
    OFS_DELTA,
    REF_DELTA,
    UnpackedObject,
    apply_delta,
    take_msb_bytes_at,
    unpack_object_at,
)
from pygit2.enums import ObjectType, RepositoryOpenFlag, SortMode

MOST_OBJECTS = 500
MOST_BYTES = 64 * 1024 * 1024  # of all objects, unpacked
_MOST_PARSED = 8 * 1024 * 1024  # of those that are taken apart, all but files: they grow by that, tenfold
_MOST_HAVES = 64  # commits that a server is told of; it sends what is new since the newest that it knows
_HEADER = 12  # bytes: `PACK`, version and number of objects
_MOST_DIGITS = 10  # bytes of a number in it: 64 bits
_TRAILER = 20  # bytes: the SHA-1 of all before
_TOO_MUCH = f"more than {MOST_BYTES} bytes"

_Raw = tuple[int, bytes]  # an object's type and content


class Unsuited(Exception):
    """A pack that is damaged, not whole or not small; nothing of it was written. Not shown to anyone."""


@contextmanager
def _opened(mirror: Path) -> Iterator[pygit2.Repository]:
    repository = pygit2.Repository(str(mirror), RepositoryOpenFlag.NO_SEARCH)
    try:
        yield repository
    finally:
        repository.free()


def commits_of(mirror: Path, ref: str, tip: str) -> list[str] | None:
    """Return commits that `mirror` has, that of the full `ref` first, then those of other refs; None if it
    has `tip` itself."""
    with _opened(mirror) as repository:
        if tip in repository:
            return None
        return list(islice(dict.fromkeys(_commits(repository, ref)), _MOST_HAVES))


def _commits(repository: pygit2.Repository, ref: str) -> Iterator[str]:
    tips = []
    known = repository.references.get(ref)  # the nearest, and one of hundreds
    for reference in chain([] if known is None else [known], repository.references.iterator()):
        try:
            tips.append(reference.peel(pygit2.Commit).id)
        except (pygit2.GitError, KeyError):
            continue  # of a tree or a blob, or of nothing
        if len(tips) == _MOST_HAVES // 2:
            break
    yield from map(str, tips)
    walker = repository.walk(None, SortMode.TIME)
    for tip in tips:
        walker.push(tip)
    yield from (str(commit.id) for commit in walker)


def point(mirror: Path, ref: str, target: str) -> None:
    """Have the full `ref` name `target`, an object of `mirror`, whatever it named before."""
    with _opened(mirror) as repository:
        known = repository.references.get(ref)
        if known is None or str(known.target) != target:
            repository.references.create(ref, target, force=True)


def store(mirror: Path, pack: bytes) -> None:
    """Write a pack's objects, whose deltas may stand on objects of the mirror; Unsuited if anything that
    they name is neither among them nor in the mirror."""
    with _opened(mirror) as repository:
        try:
            objects = _whole(repository, dict(_objects(repository, pack)))
        except Unsuited:
            raise
        except Exception as error:  # whatever a damaged pack makes dulwich raise
            raise Unsuited(f"{type(error).__name__}: {error}") from error
        for item in objects:
            repository.odb.write(ObjectType(item.type_num), item.as_raw_string())


def _whole(repository: pygit2.Repository, objects: dict[bytes, ShaFile]) -> list[ShaFile]:
    """Return the objects in an order in which none names one that is yet to come."""
    order: TopologicalSorter[bytes] = TopologicalSorter()
    for name, item in objects.items():
        order.add(name)
        for needed in _named_by(item):
            if needed in objects:
                order.add(name, needed)
            elif not repository.odb.exists(pygit2.Oid(hex=needed.decode())):
                raise Unsuited(f"{needed.decode()} is missing")
    try:
        return [objects[name] for name in order.static_order()]
    except CycleError as error:
        raise Unsuited("objects that name each other") from error


def _named_by(item: ShaFile) -> Iterator[bytes]:
    if isinstance(item, Commit):
        yield item.tree
        yield from item.parents
    elif isinstance(item, Tree):
        yield from (entry.sha for entry in item.iteritems() if not S_ISGITLINK(entry.mode))
    elif isinstance(item, Tag):
        yield item.object[1]


def _objects(repository: pygit2.Repository, pack: bytes) -> Iterator[tuple[bytes, ShaFile]]:
    found: dict[int, _Raw] = {}  # by the place in the pack
    named: dict[bytes, _Raw] = {}
    left, parsed = MOST_BYTES, _MOST_PARSED
    for place, entry in _entries(pack):
        kind, content = entry.pack_type_num, b"".join(entry.decomp_chunks)
        if kind in (OFS_DELTA, REF_DELTA):
            if kind == OFS_DELTA:
                base = found[place - cast("int", entry.delta_base)]
            else:
                base = _base(repository, named, cast("bytes", entry.delta_base))
            left -= _result(content)
            if left < 0:
                raise Unsuited(_TOO_MUCH)
            kind, content = base[0], b"".join(apply_delta(base[1], content))
        if kind != Blob.type_num:
            parsed -= len(content)
        if parsed < 0:
            raise Unsuited(f"more than {_MOST_PARSED} bytes beside files")
        item = ShaFile.from_raw_string(kind, content)
        item.check()
        found[place] = named[bytes.fromhex(item.id.decode())] = (kind, content)
        yield item.id, item


def _entries(pack: bytes) -> Iterator[tuple[int, UnpackedObject]]:
    """Yield each entry and its place, unpacked; deltas as they are."""
    end = len(pack) - _TRAILER
    if end < _HEADER or pack[:8] != b"PACK\x00\x00\x00\x02":
        raise Unsuited("no pack of version 2")
    if hashlib.sha1(pack[:end]).digest() != pack[end:]:  # noqa: S324 - the format's own
        raise Unsuited("a damaged pack")
    count = int.from_bytes(pack[8:_HEADER], "big")
    if count > MOST_OBJECTS:
        raise Unsuited(f"{count} objects")
    place, left = _HEADER, MOST_BYTES
    for _ in range(count):
        left -= _declared(pack, place)
        if left < 0:
            raise Unsuited(_TOO_MUCH)
        entry, following = unpack_object_at(pack, place, hashlib.sha1)
        yield place, entry
        place = following
    if place != end:
        raise Unsuited("something after the last object")


def _base(repository: pygit2.Repository, named: dict[bytes, _Raw], name: bytes) -> _Raw:
    if name in named:
        return named[name]
    oid = pygit2.Oid(name)
    _, size = repository.odb.read_header(oid)
    if size > MOST_BYTES:
        raise Unsuited(f"{oid} has {size} bytes")
    kind, content = repository.odb.read(oid)
    return int(kind), content


def _declared(pack: bytes, place: int) -> int:
    """Return the size that an entry says it has, unpacked; a delta's own."""
    header, following = _digits(pack, place)
    if (header[0] >> 4) & 0x07 == OFS_DELTA:
        _digits(pack, following)  # where its base is: no number without end either
    size: int = header[0] & 0x0F
    for number, byte in enumerate(header[1:]):
        size |= (byte & 0x7F) << (4 + 7 * number)
    return size


def _result(delta: bytes) -> int:
    """Return the size of what a delta makes."""
    _, after = _digits(delta, 0)
    digits, _ = _digits(delta, after)
    size: int = sum((byte & 0x7F) << (7 * number) for number, byte in enumerate(digits))
    return size


def _digits(buffer: bytes, place: int) -> tuple[list[int], int]:
    """Return the bytes of a number of variable length, and the place after it; dulwich reads without end, and
    what millions of bytes make takes hours to add up."""
    digits, length, _ = take_msb_bytes_at(buffer[place : place + _MOST_DIGITS], 0)
    return digits, place + length
