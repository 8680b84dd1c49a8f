"""The staged sources of the kinds `git`, `git_repo` and `git_tag` from a mirror, without a checkout.

Only for one version of each plugin: the engine compares both ways before it lets this serve.
"""

import tempfile
from pathlib import Path

from dulwich.repo import Repo

from hookfetch.cas.clone_template import CloneTemplate
from hookfetch.cas.directories import Content, Directory, Kept, Unsuited
from hookfetch.cas.dotgit import DotGit, Template, history, loose
from hookfetch.cas.git_clones import GitClones
from hookfetch.cas.git_objects import GitObjects
from hookfetch.cas.git_trees import Checkout, GitTrees, tree_of


class GitSources:
    """Stages sources, and remembers what it has read of any repository, within bounds."""

    def __init__(self, template: Template, clone: CloneTemplate | None = None) -> None:
        self._trees = GitTrees()
        self._dotgit = DotGit(template)
        self._clones = None if clone is None else GitClones(clone)

    def git(self, mirror: GitObjects, commit: bytes) -> Directory:
        """Return what a `git` source without tags stages of a commit; Unsuited when that is not certain."""
        checkout = self._checkout(mirror, commit)
        if checkout.has_submodules:
            raise Unsuited("submodules")
        return checkout.directory

    def git_repo(self, mirror: GitObjects, commit: bytes, tag: str | None) -> Directory:
        """Return what a `git_repo` source stages of a commit, described by `tag`; Unsuited when that is not
        certain."""
        checkout = self._checkout(mirror, commit)
        target = None if tag is None else mirror.ref(f"refs/tags/{tag}")
        if tag is not None and target is None:
            raise Unsuited(f"no tag {tag} in the mirror")
        past = history(mirror.read, mirror.walk, commit, target, mirror.shallow)
        named = None if tag is None or target is None else (tag, target)
        dotgit = self._dotgit.directory(mirror.read, past, checkout, named)
        files = checkout.directory
        return Directory(files.files, files.links, {**files.directories, ".git": dotgit})

    def git_tag(self, mirror: GitObjects, place: Path, ref: str, commit: bytes) -> Directory:
        """Return what a `git_tag` source stages of `ref`, which is `commit`, from its `mirror` at `place`;
        Unsuited when that is not certain."""
        if self._clones is None:
            raise Unsuited("no template of a clone")
        checkout = self._checkout(mirror, commit)
        if checkout.has_submodules:
            raise Unsuited("submodules")
        _require_no_large_files(mirror, checkout)
        tree = tree_of(mirror.read(commit)[1])
        dotgit = self._clones.directory(mirror, place, ref, tree, commit, checkout)
        files = checkout.directory
        return Directory(files.files, files.links, {**files.directories, ".git": dotgit})

    def _checkout(self, mirror: GitObjects, commit: bytes) -> Checkout:
        return self._trees.checkout(mirror.read, tree_of(mirror.read(commit)[1]))


def _require_no_large_files(mirror: GitObjects, checkout: Checkout) -> None:
    """Raise Unsuited if the kind may have to say that large files are kept elsewhere: git-lfs(1)."""
    for entry in checkout.entries:
        if entry.name == b".gitattributes" and b"lfs" in mirror.read(entry.object_id)[1]:
            raise Unsuited(".gitattributes speaks of large files")


def content_of(mirrors: list[GitObjects], content: Content) -> bytes:
    """Return the bytes behind `content`, from the first of `mirrors` that has them; KeyError if none has."""
    if isinstance(content, bytes):
        return content
    if isinstance(content, Kept):
        with content.path.open("rb") as file:
            file.seek(content.offset)
            return file.read(content.size)
    for mirror in mirrors:
        if mirror.has(content.object_id):
            return (
                loose(mirror.read, content.object_id) if content.loose else mirror.read(content.object_id)[1]
            )
    raise KeyError(content.object_id.hex())


def new_template() -> Template:
    """Return what git_repo's library puts into a new repository on this machine, for this user."""
    with tempfile.TemporaryDirectory(prefix="hookfetch-template-") as folder:
        with Repo.init(folder) as repository:
            repository.get_config().write_to_path()
        root = Path(folder) / ".git"
        found = sorted(root.rglob("*"))
        return Template(
            files={str(path.relative_to(root)): path.read_bytes() for path in found if path.is_file()},
            directories=frozenset(str(path.relative_to(root)) for path in found if path.is_dir()),
        )
