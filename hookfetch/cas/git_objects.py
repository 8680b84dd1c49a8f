"""Read the objects of a bare repository on this machine's disk. Writes nothing."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pygit2
from dulwich.objects import ObjectID
from dulwich.repo import Repo
from pygit2.enums import ObjectType, RepositoryOpenFlag

from hookfetch.cas.directories import Unsuited

_MAX_SIZE = 256 * 1024 * 1024  # bytes of an object: it is read as a whole
_KINDS = {
    ObjectType.COMMIT: "commit",
    ObjectType.TREE: "tree",
    ObjectType.BLOB: "blob",
    ObjectType.TAG: "tag",
}


class GitObjects:
    """The repository at `path` as it is now, until closed; pygit2.GitError when there is none."""

    def __init__(self, path: Path) -> None:
        self._repository = pygit2.Repository(str(path), RepositoryOpenFlag.NO_SEARCH)

    def read(self, object_id: bytes) -> tuple[str, bytes]:
        """Return type and content of an object by its 20-byte id; KeyError when it is not there, Unsuited
        when it is large."""
        name = pygit2.Oid(object_id)
        _, size = self._repository.odb.read_header(name)
        if size > _MAX_SIZE:
            raise Unsuited(f"{name} has {size} bytes")
        kind, data = self._repository.odb.read(name)
        return _KINDS[ObjectType(kind)], data

    def has(self, object_id: bytes) -> bool:
        """Return whether an object is there."""
        return self._repository.odb.exists(pygit2.Oid(object_id))

    def kind(self, object_id: bytes) -> str:
        """Return the type of an object by its 20-byte id; KeyError when it is not there."""
        kind, _ = self._repository.odb.read_header(pygit2.Oid(object_id))
        return _KINDS[ObjectType(kind)]

    def time(self, commit: bytes) -> int:
        """Return when a commit was made, in seconds of Unix; KeyError when it is not there."""
        found = self._repository[pygit2.Oid(commit)]
        if not isinstance(found, pygit2.Commit):
            raise KeyError(commit.hex())
        return found.commit_time

    def ref(self, name: str) -> bytes | None:
        """Return what a full ref points at, a tag's own object if it is annotated; None without the ref."""
        try:
            target = self._repository.references[name].target
        except KeyError:
            return None
        return target.raw if isinstance(target, pygit2.Oid) else None

    def commit_of(self, name: str) -> bytes | None:
        """Return the commit that a full ref stands for, through a tag's own objects; None without one."""
        try:
            return self._repository.references[name].peel(pygit2.Commit).id.raw
        except (KeyError, pygit2.GitError):
            return None

    def is_on(self, tip: bytes, commit: bytes) -> bool:
        """Return whether `commit` is `tip` or one of its ancestors, as far as history is there."""
        if tip == commit:
            return True
        try:
            return self._repository.descendant_of(pygit2.Oid(tip), pygit2.Oid(commit))
        except (KeyError, pygit2.GitError):
            return False

    def heads_and_tags(self) -> dict[str, bytes]:
        """Return all branches and tags: what each full ref points at, a tag's own object if it is annotated.
        Unsuited if one stands for another."""
        found = {}
        for ref in self._repository.references.iterator():
            if ref.name.startswith(("refs/heads/", "refs/tags/")):
                if not isinstance(ref.target, pygit2.Oid):
                    raise Unsuited(f"{ref.name} stands for {ref.target}")
                found[ref.name] = ref.target.raw
        return found

    def branch(self) -> str | None:
        """Return the branch that HEAD stands for, whether it is there or not; None if it is none."""
        target = self._repository.lookup_reference("HEAD").target
        branch = isinstance(target, str) and target.startswith("refs/heads/")
        return str(target).removeprefix("refs/heads/") if branch else None

    def names(self, revision: str) -> bool:
        """Return whether git would take `revision` for the name of a ref."""
        try:
            self._repository.lookup_reference_dwim(revision)
        except KeyError:
            return False
        return True

    def walk(self, newest: bytes, hidden: tuple[bytes, ...]) -> Iterator[bytes]:
        """Yield `newest` and its ancestors, without `hidden` ones and theirs, as dulwich finds them: where
        clocks were wrong it takes other commits than git, and git_repo asks it."""
        with Repo(self._repository.path, bare=True) as repository:
            excluded = [ObjectID(commit.hex().encode()) for commit in hidden]
            for entry in repository.get_walker([ObjectID(newest.hex().encode())], exclude=excluded):
                yield bytes.fromhex(entry.commit.id.decode())

    @property
    def empty(self) -> bool:
        """Return whether there is no ref."""
        # Not libgit2's `is_empty`, which also asks what HEAD says.
        return next(iter(self._repository.references), None) is None

    @property
    def shallow(self) -> bool:
        """Return whether history may end before its beginning."""
        return self._repository.is_shallow

    @property
    def rewritten(self) -> bool:
        """Return whether git may see other parents than commits name: gitglossary(7), grafts and replace."""
        replaced = any(name.startswith("refs/replace/") for name in self._repository.references)
        return replaced or self.shallow or (Path(self._repository.path) / "info/grafts").exists()

    def close(self) -> None:
        """Close the repository's files."""
        self._repository.free()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
