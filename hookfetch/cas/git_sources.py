"""The staged sources of the kinds `git` and `git_repo` from the objects of a mirror, without a checkout.

Only for one version of each plugin: the engine compares both ways before it lets this serve.
"""

import tempfile
from pathlib import Path

from dulwich.repo import Repo

from hookfetch.cas.directories import Content, Directory, Unsuited
from hookfetch.cas.dotgit import DotGit, Template, history, loose
from hookfetch.cas.git_objects import GitObjects
from hookfetch.cas.git_trees import Checkout, GitTrees, tree_of


class GitSources:
    """Stages sources, and remembers what it has read of any repository, within bounds."""

    def __init__(self, template: Template) -> None:
        self._trees = GitTrees()
        self._dotgit = DotGit(template)

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

    def _checkout(self, mirror: GitObjects, commit: bytes) -> Checkout:
        return self._trees.checkout(mirror.read, tree_of(mirror.read(commit)[1]))


def content_of(mirrors: list[GitObjects], content: Content) -> bytes:
    """Return the bytes behind `content`, from the first of `mirrors` that has them; KeyError if none has."""
    if isinstance(content, bytes):
        return content
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
