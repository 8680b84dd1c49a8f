"""Git trees into the directories that a checkout of them would make. Pure: objects come from a reader.

Only for what every checkout makes the same of: anything else raises `Unsuited`. Results are
remembered by git's object ids, which name content, whatever repository it is in.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from dulwich.index import (
    validate_path_element_default,
    validate_path_element_hfs,
    validate_path_element_ntfs,
)

from hookfetch.cas.directories import EMPTY, Digest, Directory, File, Stored, Unsuited
from hookfetch.cas.recent import Recent

# Type (`blob`, `tree`, `commit`, `tag`) and content of an object, by its 20-byte id; KeyError if not there,
# Unsuited if it is too large to be read as a whole.
Read = Callable[[bytes], tuple[str, bytes]]

FILE, PROGRAM, LINK, TREE, COMMIT = b"100644", b"100755", b"120000", b"40000", b"160000"

# gitattributes(5): what changes content on checkout. In a macro's definition they count as well.
_CONVERTING = re.compile(rb"(?m)^(?![ \t]*#).*\b(?:text|eol|crlf|filter|ident|working-tree-encoding)\b")
_HEADER = re.compile(rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)")
_MAX_NAME = 255  # bytes, of Linux's file systems
_MAX_TARGET = 4095  # bytes
_MAX_DEPTH = 256  # directories; Python recurses for each
_MAX_FILES = 1_000_000  # of a checkout: trees that contain each other many times over unfold to any number

# Measured: 1.1 kB an entry of a tree, 0.3 kB a blob; about 90 MB at most. Not kept on disk: a new process
# reads what it needs once, in a fraction of what one checkout takes.
_REMEMBERED_ENTRIES = 50_000
_REMEMBERED_BLOBS = 100_000


class Entry(NamedTuple):
    """A line of a git tree: `size` is a file's or link's, in bytes; `below` a tree's checkout."""

    name: bytes
    mode: bytes
    object_id: bytes
    size: int
    below: "Checkout | None"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A tree, checked out. `files` counts entries that are no trees, at any depth."""

    directory: Directory
    entries: tuple[Entry, ...]
    files: int
    depth: int
    has_submodules: bool


class GitTrees:
    """Reads trees, and remembers them within bounds."""

    def __init__(self) -> None:
        self._trees: Recent[bytes, Checkout] = Recent(_REMEMBERED_ENTRIES)
        self._blobs: Recent[bytes, Digest] = Recent(_REMEMBERED_BLOBS)

    def checkout(self, read: Read, tree: bytes) -> Checkout:
        """Return what is checked out of a commit's tree; Unsuited when that is not certain."""
        return self._checkout(read, tree, _MAX_DEPTH)

    def _checkout(self, read: Read, tree: bytes, depth: int) -> Checkout:
        known = self._trees.get(tree)
        if known is None:
            if not depth:
                raise Unsuited(f"more than {_MAX_DEPTH} directories in each other")
            known = self._read(read, tree, depth)
            self._trees.put(tree, known, 1 + len(known.entries))
        if known.depth > depth:
            raise Unsuited(f"more than {_MAX_DEPTH} directories in each other")
        return known

    def _read(self, read: Read, tree: bytes, depth: int) -> Checkout:
        files: dict[str, File] = {}
        links: dict[str, str] = {}
        directories: dict[str, Directory] = {}
        entries = []
        for mode, name, object_id in parse_tree(_content(read, tree, "tree")):
            text = _name(name)
            size, below = 0, None
            if mode == TREE:
                below = self._checkout(read, object_id, depth - 1)
                if not below.entries:
                    raise Unsuited("an empty tree, which git does not check out")
                directories[text] = below.directory
            elif mode == COMMIT:
                directories[text] = EMPTY
            elif mode == LINK:
                links[text], size = _target(name, _content(read, object_id, "blob"))
            elif mode in (FILE, PROGRAM):
                digest = self._digest(read, object_id, name)
                files[text] = File(digest, Stored(object_id, loose=False), mode == PROGRAM)
                size = digest.size
            else:
                raise Unsuited(f"{text}: mode {mode.decode(errors='replace')}")
            entries.append(Entry(name, mode, object_id, size, below))
        return _checked(Directory(files, links, directories), tuple(entries))

    def _digest(self, read: Read, object_id: bytes, name: bytes) -> Digest:
        known = self._blobs.get(object_id)
        # Attributes are always read: what was a plain file elsewhere may stand here under their name.
        if known is None or name == b".gitattributes":
            data = _content(read, object_id, "blob")
            if name == b".gitattributes" and _CONVERTING.search(data):
                raise Unsuited(".gitattributes has content converted")
            if known is None:
                known = Digest(hashlib.sha256(data).hexdigest(), len(data))
                self._blobs.put(object_id, known)
        return known


def parse_tree(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield mode, name and object id of each entry; Unsuited if they are not in git's order, each once."""
    position, previous = 0, b""
    while position < len(data):
        space = data.index(b" ", position)
        end = data.index(b"\0", space)
        mode, name, object_id = data[position:space], data[space + 1 : end], data[end + 1 : end + 21]
        key = name + b"/" if mode == TREE else name
        if key <= previous or len(object_id) != 20:
            raise Unsuited("a damaged tree")
        yield mode, name, object_id
        position, previous = end + 21, key


def tree_of(commit: bytes) -> bytes:
    """Return the id of a commit's tree."""
    return bytes.fromhex(_header(commit)[1].decode())


def parents_of(commit: bytes) -> tuple[bytes, ...]:
    """Return the ids of a commit's parents, also of those that a shallow mirror lacks."""
    return tuple(bytes.fromhex(line[7:].decode()) for line in _header(commit)[2].splitlines())


def _header(commit: bytes) -> re.Match[bytes]:
    found = _HEADER.match(commit)
    if found is None:
        raise Unsuited("a damaged commit")
    return found


def _checked(directory: Directory, entries: tuple[Entry, ...]) -> Checkout:
    if len({*directory.files, *directory.links, *directory.directories}) != len(entries):
        raise Unsuited("a tree with two entries of one name")
    below = [entry.below for entry in entries if entry.below is not None]
    files = len(entries) - len(below) + sum(each.files for each in below)
    if files > _MAX_FILES:
        raise Unsuited(f"{files} files")
    return Checkout(
        directory=directory,
        entries=entries,
        files=files,
        depth=1 + max((each.depth for each in below), default=0),
        has_submodules=any(entry.mode == COMMIT or entry.name == b".gitmodules" for entry in entries)
        or any(each.has_submodules for each in below),
    )


def _name(name: bytes) -> str:
    validators = (validate_path_element_default, validate_path_element_ntfs, validate_path_element_hfs)
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        raise Unsuited(f"a name that is not UTF-8: {name!r}") from error
    if len(name) > _MAX_NAME or b"/" in name or not all(valid(name) for valid in validators):
        raise Unsuited(f"a name that git may refuse: {text!r}")
    return text


def _target(name: bytes, data: bytes) -> tuple[str, int]:
    # Git heeds no link under its own names, and refuses some (`gitmod~1` is Windows' for .gitmodules).
    if name.lower().startswith(b".git") or b"~" in name:
        raise Unsuited(f"{name.decode()} is a link")
    if not 0 < len(data) <= _MAX_TARGET or b"\0" in data:
        raise Unsuited("a link that no file system can hold")
    try:
        return data.decode(), len(data)
    except UnicodeDecodeError as error:
        raise Unsuited("a link's target that is not UTF-8") from error


def _content(read: Read, object_id: bytes, expected: str) -> bytes:
    kind, data = read(object_id)
    if kind != expected:
        raise Unsuited(f"{object_id.hex()} is a {kind}, not a {expected}")
    return data
