"""Directories as a source cache holds them: values that know their encoding and digest. Pure.

The encoding is that of the Remote Execution API v2: every list sorted by name, nothing but names,
digests, link targets and the executable bit, as BuildStream stores sources.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from hookfetch.cas.protos import remote_execution_pb2


class Unsuited(Exception):
    """What is asked for may not come out as BuildStream would make it; the text says why."""


class Digest(NamedTuple):
    """SHA-256 in hex, and bytes."""

    hash: str
    size: int


class Stored(NamedTuple):
    """Content that a git repository holds: a blob, or any object in git's loose form if `loose`."""

    object_id: bytes
    loose: bool


class Kept(NamedTuple):
    """Content that a file on this machine's disk holds, which is never changed in place: `size` bytes from
    `offset` on, all if that is -1."""

    path: Path
    offset: int = 0
    size: int = -1


Content = bytes | Stored | Kept


class File(NamedTuple):
    """A file, and where its content comes from."""

    digest: Digest
    content: Content
    executable: bool = False


def digest_of(data: bytes) -> Digest:
    """Return the digest of `data`."""
    return Digest(hashlib.sha256(data).hexdigest(), len(data))


def file_of(data: bytes) -> File:
    """Return a plain file that holds `data`."""
    return File(digest_of(data), data)


@dataclass(frozen=True, eq=False)
class Directory:
    """A directory with all that is below it. Its mappings are never changed."""

    files: Mapping[str, File]
    links: Mapping[str, str]
    directories: Mapping[str, "Directory"]

    @cached_property
    def encoded(self) -> bytes:
        """Return the encoded Directory message."""
        message: Any = remote_execution_pb2.Directory()
        for name, file in sorted(self.files.items()):
            node = message.files.add(name=name, is_executable=file.executable)
            node.digest.hash, node.digest.size_bytes = file.digest
        for name, directory in sorted(self.directories.items()):
            node = message.directories.add(name=name)
            node.digest.hash, node.digest.size_bytes = directory.digest
        for name, target in sorted(self.links.items()):
            message.symlinks.add(name=name, target=target)
        return bytes(message.SerializeToString(deterministic=True))

    @cached_property
    def digest(self) -> Digest:
        """Return the digest of the encoded message."""
        return digest_of(self.encoded)

    def contents(self, known: Callable[[Digest], bool] | None = None) -> dict[Digest, Content]:
        """Return everything that a cache needs to hold this: encoded directories and files. Of a `known`
        directory that is the directory alone, without what is below it."""
        found: dict[Digest, Content] = {}
        waiting = [self]
        while waiting:
            directory = waiting.pop()
            if directory.digest in found:
                continue
            found[directory.digest] = directory.encoded
            if known is not None and known(directory.digest):
                continue
            for file in directory.files.values():
                found[file.digest] = file.content
            waiting += directory.directories.values()
        return found

    def below(self) -> Iterator["Directory"]:
        """Yield this directory and all that are below it, each once."""
        seen: set[Digest] = set()
        waiting = [self]
        while waiting:
            directory = waiting.pop()
            if directory.digest not in seen:
                seen.add(directory.digest)
                waiting += directory.directories.values()
                yield directory

    def under(self, path: str | None) -> "Directory":
        """Return a directory that has this one at `path`; Unsuited unless that is plain names with `/`
        between them."""
        directory = self
        for name in reversed(path.split("/") if path else []):
            if name in ("", ".", ".."):
                raise Unsuited(f"directory: {path}")
            directory = Directory({}, {}, {name: directory})
        return directory

    def beside(self, other: "Directory") -> "Directory":
        """Return both as one directory; Unsuited where both have anything but directories at a place,
        for the order of sources would decide."""
        mine = {*self.files, *self.links}
        theirs = {*other.files, *other.links}
        clash = (mine & {*theirs, *other.directories}) | (theirs & {*self.directories})
        if clash:
            raise Unsuited(f"sources overlap at {min(clash)}")
        directories = dict(self.directories)
        for name, directory in other.directories.items():
            mixed = directories.get(name)
            directories[name] = directory if mixed is None else mixed.beside(directory)
        return Directory({**self.files, **other.files}, {**self.links, **other.links}, directories)


EMPTY = Directory({}, {}, {})
