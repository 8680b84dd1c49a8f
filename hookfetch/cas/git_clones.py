"""The `.git` that the git_tag source kind stages beside the files: a clone of its mirror, checked out.

Git copies a mirror's object files as they are, whatever history they hold, and so does this: it reads their
names and digests. The kind's own index and logs hold the times of a clone that is gone, and differ each
time; here they are none. Whatever git would clone otherwise, or what is not certain, raises `Unsuited`.
"""

import hashlib
import os
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from hookfetch.cas.clone_template import CloneTemplate
from hookfetch.cas.directories import Digest, Directory, File, Kept, Unsuited, file_of
from hookfetch.cas.dotgit import index, nested, peel
from hookfetch.cas.git_objects import GitObjects
from hookfetch.cas.git_trees import Checkout
from hookfetch.cas.recent import Recent

# Of what a repository may keep with its objects, what a clone of one on the same machine copies as it is:
# gitrepository-layout(5). Other names are unfinished, or lead elsewhere.
_KEPT = re.compile(
    r"[0-9a-f]{2}/[0-9a-f]{38}|pack/pack-[0-9a-f]{40}\.(?:pack|idx|rev|bitmap)|info/(?:packs|commit-graph)"
)
_FOLDER = re.compile(r"[0-9a-f]{2}|pack|info")
_MAX_FILES = 20_000  # of the mirror's objects
_MAX_SIZE = 1024**3  # bytes of one
_REMEMBERED_FILES = 100_000
_REMEMBERED_TAGS = 100_000


class GitClones:
    """Makes `.git` directories of clones, and remembers digests of mirrors' files within bounds."""

    def __init__(self, template: CloneTemplate) -> None:
        self._template = template
        self._digests: Recent[tuple[str, int, int, int], Digest] = Recent(_REMEMBERED_FILES)
        self._tagged: Recent[bytes, bytes] = Recent(_REMEMBERED_TAGS)  # by a tag's own object

    def directory(
        self, mirror: GitObjects, place: Path, ref: str, tree: bytes, commit: bytes, checkout: Checkout
    ) -> Directory:
        """Return the `.git` of a clone of the `mirror` at `place` in which `ref`, which is `commit` with its
        `tree`, was checked out."""
        if mirror.shallow:
            raise Unsuited("a shallow mirror, of which git makes a new pack")
        branch, refs = mirror.branch(), mirror.heads_and_tags()
        at = refs.get(f"refs/heads/{branch}")
        if branch is None or at is None:
            raise Unsuited("a HEAD that is no branch, or none that is there")
        if branch in (ref, "HEAD") or ref.startswith("-") or "refs/heads/HEAD" in refs:
            raise Unsuited(f"a branch or ref by an odd name: {branch}, {ref}")
        came = self._logged(bytes(20), at, f"clone: from {place}")
        moved = self._logged(at, commit, f"checkout: moving from {branch} to {ref}")
        made = {
            "config": self._template.config_of(str(place), branch),
            "HEAD": _line(commit),
            "index": index(checkout, _cache_tree(checkout, tree)),
            "packed-refs": b"".join(self._packed(mirror, refs)),
            f"refs/heads/{branch}": _line(at),
            "refs/remotes/origin/HEAD": f"ref: refs/remotes/origin/{branch}\n".encode(),
            "logs/HEAD": came + moved,
            f"logs/refs/heads/{branch}": came,
            "logs/refs/remotes/origin/HEAD": came,
        }
        files = {**self._template.files, **{path: file_of(data) for path, data in made.items()}}
        folders = set(self._template.directories)
        for path, file in self._kept(place / "objects", folders):
            files[f"objects/{path}"] = file
        return nested(files, folders)

    def _packed(self, mirror: GitObjects, refs: Mapping[str, bytes]) -> Iterator[bytes]:
        yield b"# pack-refs with: peeled fully-peeled sorted \n"
        cloned = {
            name.replace("refs/heads/", "refs/remotes/origin/", 1).encode(): at for name, at in refs.items()
        }
        for name, at in sorted(cloned.items()):
            yield at.hex().encode() + b" " + name + b"\n"
            commit = self._tagged.get(at)
            if commit is None:
                commit = peel(mirror.read, at)[1] if mirror.kind(at) == "tag" else at
                self._tagged.put(at, commit)
            if commit != at:
                yield b"^" + _line(commit)

    def _logged(self, old: bytes, new: bytes, what: str) -> bytes:
        return b"%s %s %s 1 +0000\t%s\n" % (
            *(old.hex().encode(), new.hex().encode()),
            *(self._template.person, what.encode()),
        )

    def _kept(self, objects: Path, folders: set[str]) -> Iterator[tuple[str, File]]:
        """Yield what a mirror's `objects` holds by path; add its directories to `folders`."""
        count = 0
        for folder in os.scandir(objects):
            if not (folder.is_dir(follow_symlinks=False) and _FOLDER.fullmatch(folder.name)):
                raise Unsuited(f"objects/{folder.name} in the mirror")
            folders.add(f"objects/{folder.name}")
            for entry in os.scandir(folder):
                path = f"{folder.name}/{entry.name}"
                if not (entry.is_file(follow_symlinks=False) and _KEPT.fullmatch(path)):
                    raise Unsuited(f"objects/{path} in the mirror")
                count += 1
                if count > _MAX_FILES:
                    raise Unsuited(f"over {_MAX_FILES} files of objects in the mirror")
                yield path, File(self._digest(Path(entry.path), entry.stat()), Kept(Path(entry.path)))

    def _digest(self, path: Path, status: os.stat_result) -> Digest:
        key = (str(path), status.st_ino, status.st_size, status.st_mtime_ns)
        digest = self._digests.get(key)
        if digest is None:
            if status.st_size > _MAX_SIZE:
                raise Unsuited(f"{path.name} has {status.st_size} bytes")
            with path.open("rb") as file:
                digest = Digest(hashlib.file_digest(file, "sha256").hexdigest(), status.st_size)
            self._digests.put(key, digest)
        return digest


def _line(commit: bytes) -> bytes:
    return commit.hex().encode() + b"\n"


def _cache_tree(checkout: Checkout, tree: bytes) -> bytes:
    """Return the index's extension that says which trees its entries are: gitformat-index(5)."""
    data = b"".join(_cached(b"", checkout, tree))
    return b"TREE" + struct.pack(">L", len(data)) + data


def _cached(name: bytes, checkout: Checkout, tree: bytes) -> Iterator[bytes]:
    below = [
        (entry.name, entry.below, entry.object_id) for entry in checkout.entries if entry.below is not None
    ]
    yield b"%s\0%d %d\n%s" % (name, checkout.files, len(below), tree)
    for inner in sorted(below, key=lambda each: (len(each[0]), each[0])):  # as git keeps them
        yield from _cached(*inner)
