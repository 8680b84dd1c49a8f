"""The `.git` that the git_repo source kind stages beside the files. Pure: objects come from a reader.

It holds what `git describe`, `git log -1` and `git status` need: commits from the tag that the ref names
(or the one commit), all trees of them, links, and the tag, as loose objects; a shallow mark where history
ends; HEAD; and an index. The kind's own index holds the times and inodes of a checkout that is gone, and
differs each time; here they are zero, which makes git look at the files themselves (gitformat-index(5)).
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hookfetch.cas.directories import Digest, Directory, File, Stored, Unsuited, digest_of, file_of
from hookfetch.cas.git_trees import COMMIT, LINK, TREE, Checkout, Read, parents_of, parse_tree, tree_of
from hookfetch.cas.recent import Recent

# Commits from the first argument on, without those reachable from the second; KeyError as `Read`.
Walk = Callable[[bytes, tuple[bytes, ...]], Iterable[bytes]]

_TAGGED = re.compile(rb"object ([0-9a-f]{40})\ntype (commit|tag)\n")
_ENTRY = struct.Struct(">LLLLLLLLLL20sH")
_MAX_PATH = 4095  # bytes; the index has no more bits for its length
_MAX_SIZE = 2**32  # bytes of a file, for the same reason
_MAX_COMMITS = 20_000  # since a tag
_MAX_OBJECTS = 100_000
_Nest = dict[str, "File | _Nest"]
_REMEMBERED = 50_000  # loose objects, 0.3 kB each


@dataclass(frozen=True, slots=True)
class Template:
    """A new `.git` as the kind's library makes it: files by path, and directories that may be empty."""

    files: Mapping[str, bytes]
    directories: frozenset[str]

    def branch(self) -> str:
        """Return the full name of the branch that HEAD stands for."""
        return self.files["HEAD"].decode().removeprefix("ref: ").strip()


class DotGit:
    """Makes `.git` directories, and remembers digests of loose objects within bounds."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._loose: Recent[bytes, Digest] = Recent(_REMEMBERED)

    def directory(
        self, read: Read, history: "History", checkout: Checkout, tag: tuple[str, bytes] | None
    ) -> Directory:
        """Return the `.git` of `history` and its newest commit's checkout. `tag` is the tag that the ref
        names, and the object it points at."""
        files = {path: file_of(data) for path, data in self._template.files.items()}
        files["index"] = file_of(index(checkout))
        if history.shallow:
            # BuildStream's order of these lines changes from process to process.
            lines = b"".join(commit.hex().encode() + b"\n" for commit in sorted(history.shallow))
            files["shallow"] = file_of(lines)
        files[self._template.branch()] = file_of(history.newest.hex().encode() + b"\n")
        if tag is not None:
            if not {"", ".", ".."}.isdisjoint(tag[0].split("/")):
                raise Unsuited(f"a tag named {tag[0]!r}")
            files[f"refs/tags/{tag[0]}"] = file_of(tag[1].hex().encode() + b"\n")
        for object_id in history.objects:
            name = object_id.hex()
            files[f"objects/{name[:2]}/{name[2:]}"] = self._loose_file(read, object_id)
        return nested(files, self._template.directories)

    def _loose_file(self, read: Read, object_id: bytes) -> File:
        digest = self._loose.get(object_id)
        if digest is None:
            digest = digest_of(loose(read, object_id))
            self._loose.put(object_id, digest)
        return File(digest, Stored(object_id, loose=True))


@dataclass(frozen=True, slots=True)
class History:
    """What a `.git` knows: its newest commit, every object, and the commits whose parents it lacks."""

    newest: bytes
    objects: frozenset[bytes]
    shallow: frozenset[bytes]


def history(read: Read, walk: Walk, newest: bytes, tag: bytes | None, shallow: bool) -> History:
    """Return the history from what `tag` points at (None: just the newest commit) to `newest`.

    Unsuited when the mirror is `shallow` and history has merges: then what BuildStream stages depends on
    where its mirror ends.
    """
    objects = set()
    base = newest
    if tag is not None:
        tags, base = peel(read, tag)
        objects.update(tags)
    commits = _commits(read, walk, newest, base, shallow)
    parents = {commit: parents_of(read(commit)[1]) for commit in commits}
    _add_trees(read, [tree_of(read(commit)[1]) for commit in commits], objects)
    return History(
        newest=newest,
        objects=frozenset(objects | commits),
        shallow=frozenset(commit for commit in commits if not commits.issuperset(parents[commit])),
    )


def peel(read: Read, tag: bytes) -> tuple[list[bytes], bytes]:
    """Return the tag objects from `tag` down, and the commit; Unsuited when it is no commit."""
    tags: list[bytes] = []
    while True:
        kind, data = read(tag)
        if kind == "commit":
            return tags, tag
        found = _TAGGED.match(data) if kind == "tag" else None
        if found is None or tag in tags:
            raise Unsuited("a tag of something that is no commit")
        tags.append(tag)
        tag = bytes.fromhex(found[1].decode())


def _commits(read: Read, walk: Walk, newest: bytes, base: bytes, shallow: bool) -> set[bytes]:
    commits = {newest}
    commit = newest
    while commit != base:
        parents = parents_of(read(commit)[1])
        if len(parents) != 1:
            if shallow or not parents:
                raise Unsuited("the mirror's history may be cut off")
            hidden = parents_of(read(base)[1])
            return _bounded(walk(newest, hidden))
        (commit,) = parents
        commits = _bounded((commit,), commits)
    return commits


def _bounded(more: Iterable[bytes], commits: set[bytes] | None = None) -> set[bytes]:
    found = set() if commits is None else commits
    for commit in more:
        found.add(commit)
        if len(found) > _MAX_COMMITS:
            raise Unsuited(f"over {_MAX_COMMITS} commits since the tag")
    return found


def _add_trees(read: Read, trees: list[bytes], objects: set[bytes]) -> None:
    while trees:
        tree = trees.pop()
        if tree in objects:
            continue
        objects.add(tree)
        if len(objects) > _MAX_OBJECTS:
            raise Unsuited(f"over {_MAX_OBJECTS} objects since the tag")
        for mode, _, object_id in parse_tree(read(tree)[1]):
            if mode == TREE:
                trees.append(object_id)
            elif mode == LINK:
                objects.add(object_id)


def loose(read: Read, object_id: bytes) -> bytes:
    """Return an object in git's loose form, compressed as the kind's library does."""
    kind, data = read(object_id)
    packer = zlib.compressobj()
    head = packer.compress(b"%s %d\0" % (kind.encode(), len(data)))
    return head + packer.compress(data) + packer.flush()


def index(checkout: Checkout, extensions: bytes = b"") -> bytes:
    """Return the index of a checkout, version 2, with zeros for what only a file system knows."""
    entries: list[tuple[bytes, bytes]] = []
    waiting = [(b"", checkout)]
    while waiting:
        place, directory = waiting.pop()
        for entry in directory.entries:
            path = place + entry.name
            if entry.below is not None:
                waiting.append((path + b"/", entry.below))
                continue
            if len(path) > _MAX_PATH or entry.size >= _MAX_SIZE:
                raise Unsuited("a path or file too long for an index")
            mode = int(entry.mode, 8)
            head = _ENTRY.pack(0, 0, 0, 0, 0, 0, mode, 0, 0, entry.size, entry.object_id, len(path))
            padding = b"\0" * (8 - (_ENTRY.size + len(path)) % 8)
            entries.append((path, head + path + padding))
    entries.sort()
    head = b"DIRC" + struct.pack(">LL", 2, len(entries))
    return _sealed(head, [*(data for _, data in entries), extensions])


def without_stat(data: bytes) -> bytes:
    """Return an index, version 2, with zeros for what only a file system knows (a submodule's size too)."""
    count = struct.unpack(">L", data[8:12])[0]
    entries = []
    position = 12
    for _ in range(count):
        fields = _ENTRY.unpack_from(data, position)
        mode, size, object_id, length = fields[6], fields[9], fields[10], fields[11]
        end = position + _ENTRY.size + length
        end += 8 - (end - position) % 8
        size = 0 if mode == int(COMMIT, 8) else size
        head = _ENTRY.pack(0, 0, 0, 0, 0, 0, mode, 0, 0, size, object_id, length)
        entries.append(head + data[position + _ENTRY.size : end])
        position = end
    return _sealed(data[:12], [*entries, data[position:-20]])


def _sealed(head: bytes, parts: Iterable[bytes]) -> bytes:
    body = head + b"".join(parts)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def nested(files: Mapping[str, File], empty: Iterable[str]) -> Directory:
    """Return one directory of files by path, and of directories that may be empty."""
    root: _Nest = {}
    for path in empty:
        _open(root, path)
    for path, file in files.items():
        place, _, name = path.rpartition("/")
        _open(root, place)[name] = file
    return _directory(root)


def _open(root: _Nest, path: str) -> _Nest:
    inside = root
    for name in path.split("/") if path else ():
        following = inside.setdefault(name, {})
        if isinstance(following, File):
            raise Unsuited(f"{path}: {name} is a file")
        inside = following
    return inside


def _directory(nest: _Nest) -> Directory:
    files = {name: each for name, each in nest.items() if isinstance(each, File)}
    nested = {name: _directory(each) for name, each in nest.items() if not isinstance(each, File)}
    return Directory(files, {}, nested)
