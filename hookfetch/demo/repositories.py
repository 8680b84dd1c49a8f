"""Make and change the upstreams of a lab: bare git repositories and tarballs in a folder.

No configuration of this machine or its user reaches them; nothing here listens or serves.
"""

import io
import os
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# No configuration of this machine or its user reaches a repository made or served here.
ISOLATED = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_IDENTITY = "Lab <lab@example.org> 1700000000 +0000"


@dataclass(frozen=True, slots=True)
class Repository:
    """A bare repository below a root. Each method returns once git has written the change."""

    path: Path
    name: str
    branch: str = "main"

    def url(self, server: str) -> str:
        """Return this repository's address at an `UpstreamServer.url`."""
        return f"{server}/{self.name}.git"

    def commit(self, files: Mapping[str, str | bytes], message: str, *, branch: str | None = None) -> str:
        """Add or replace `files` on a branch (the default one if None) and return the new commit."""
        changes = [b"M 100644 inline %s\n" % name.encode() + _data(text) for name, text in files.items()]
        return self._commit(changes, message, branch or self.branch)

    def link(self, path: str, commit: str, message: str) -> str:
        """Have `path` of the default branch be a submodule at `commit`; return the new commit."""
        return self._commit([f"M 160000 {commit} {path}\n".encode()], message, self.branch)

    def _commit(self, changes: Sequence[bytes], message: str, branch: str) -> str:
        ref = f"refs/heads/{branch}"
        head = f"commit {ref}\nmark :1\ncommitter {_IDENTITY}\n".encode() + _data(message)
        parent = b"" if self.commit_of(ref) is None else f"from {ref}^0\n".encode()
        return self._git("fast-import", "--quiet", feed=b"".join((head, parent, *changes, b"get-mark :1\n")))

    def tag(self, name: str, *, target: str | None = None, message: str | None = None) -> str:
        """Tag `target` (else the default branch), annotated if there is a message; return that commit."""
        commit = target or self._git("rev-parse", f"refs/heads/{self.branch}")
        if message is None:
            self._git("update-ref", f"refs/tags/{name}", commit)
        else:
            stream = f"tag {name}\nfrom {commit}\ntagger {_IDENTITY}\n".encode() + _data(message)
            self._git("fast-import", "--quiet", feed=stream)
        return commit

    def point(self, ref: str, commit: str) -> None:
        """Make a full ref point at `commit`, as a force-push does."""
        self._git("update-ref", ref, commit)

    def delete(self, ref: str) -> None:
        """Remove a full ref."""
        self._git("update-ref", "-d", ref)

    def commit_of(self, ref: str) -> str | None:
        """Return the commit a full ref points at, or None when there is no such ref."""
        return self._git("for-each-ref", "--format=%(objectname)", ref) or None

    def _git(self, *arguments: str, feed: bytes | None = None) -> str:
        return _git("-C", str(self.path), *arguments, feed=feed)


def create_repository(root: Path, name: str, *, branch: str = "main") -> Repository:
    """Make the empty bare repository `<root>/<name>.git` and return it; FileExistsError if it is there."""
    path = root / f"{name}.git"
    path.mkdir(parents=True)
    _git("init", "--quiet", "--bare", f"--initial-branch={branch}", str(path))
    return Repository(path, name, branch)


def create_tarball(root: Path, name: str, files: Mapping[str, str | bytes]) -> Path:
    """Write `<root>/<name>` (a .tar.gz of `files`, without times or owners), replacing it at once."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with tarfile.open(partial, "w:gz") as archive:
        for member, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return partial.replace(path)


def _data(content: str | bytes) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return b"data %d\n%s\n" % (len(data), data)


def _git(*arguments: str, feed: bytes | None = None) -> str:
    environment = {"PATH": os.environ.get("PATH", os.defpath), **ISOLATED}
    done = subprocess.run(["git", *arguments], input=feed, env=environment, check=True, capture_output=True)
    return done.stdout.decode().strip()
