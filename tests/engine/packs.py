"""A mirror, and the packs that git and others would send for it."""

import hashlib
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from dulwich.objects import Blob, Commit, Tree

from hookfetch.demo.repositories import ISOLATED, Repository, create_repository
from hookfetch.engine.fetching.packs import Unsuited, store

ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/local/bin", **ISOLATED}
WHO = b"Lab <lab@example.org> 1700000000 +0000"


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


def mirrored(folder: Path) -> Mirror:
    """Return a mirror of an upstream of one commit, both below `folder`."""
    upstream = create_repository(folder, "upstream")
    known = upstream.commit({"big": numbers("0"), "a/b/c": "1", "a/d": "2"}, "first")
    path = folder / "mirror.git"
    git(folder, "clone", "--quiet", "--mirror", str(upstream.path), str(path))
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
