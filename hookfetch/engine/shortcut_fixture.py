"""The small project that the shortcut's check stages both ways: a repository and a tarball of everything that
sources may have. Its content is new each time: of the same BuildStream would find what it staged before.
"""

import hashlib
import io
import json
import tarfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pygit2
from pygit2.enums import ObjectType

TARBALL = "it-1.tar.gz"

_PLUGINS = [
    {"origin": "pip", "package-name": "buildstream-plugins", "sources": ["git"]},
    {"origin": "pip", "package-name": "buildstream-plugins-community", "sources": ["git_repo", "git_tag"]},
]
_SOMEONE = pygit2.Signature("hookfetch", "hookfetch@localhost", 1_700_000_000, 0)


def write_project(folder: Path, elements: Mapping[str, Sequence[str]]) -> Path:
    """Write upstreams below `folder`, and a project of elements by name, each with a source of each of its
    kinds, which is its directory as well; return the project's path."""
    described, checksum = _write_repository(folder / "upstream.git"), _write_tarball(folder / TARBALL)
    project = folder / "project"
    project.mkdir()
    settings = {"name": "shortcut-check", "min-version": "2.4", "plugins": _PLUGINS}
    (project / "project.conf").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    repository = {"url": str(folder / "upstream.git"), "track": "main", "ref": described}
    tarball = {"url": (folder / TARBALL).as_uri(), "ref": checksum}
    for name, kinds in elements.items():
        sources = [
            {"kind": kind, "directory": kind, **(tarball if kind == "tar" else repository)} for kind in kinds
        ]
        (project / name).write_text(json.dumps({"kind": "import", "sources": sources}), encoding="utf-8")
    return project


def _write_repository(path: Path) -> str:
    """Write two commits, the first one tagged; return the second one's description."""
    repository = pygit2.init_repository(str(path), bare=True, initial_head="main")
    first = _commit(repository, b"#!/bin/sh\n", [])
    repository.create_tag("v1", first, ObjectType.COMMIT, _SOMEONE, "one\n")
    second = _commit(repository, uuid.uuid4().bytes, [first])
    return f"v1-1-g{second}"


def _commit(repository: Any, program: bytes, parents: list[Any]) -> Any:
    inner = repository.TreeBuilder()
    inner.insert("tool", repository.create_blob(program), 0o100755)
    inner.insert("é", repository.create_blob(b""), 0o100644)
    builder = repository.TreeBuilder()
    builder.insert("endings", repository.create_blob(b"dos\r\nunix\n$Id$\n"), 0o100644)
    builder.insert("link", repository.create_blob(b"bin/tool"), 0o120000)
    builder.insert("bin", inner.write(), 0o40000)
    builder.insert("bin.txt", repository.create_blob(b"unix\n"), 0o100644)
    return repository.create_commit("refs/heads/main", _SOMEONE, _SOMEONE, "x\n", builder.write(), parents)


def _write_tarball(path: Path) -> str:
    """Write a tarball of everything that sources have; return its checksum."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, mode, target in (
            *(("top", tarfile.DIRTYPE, 0o755, ""), ("top/a-b/x", tarfile.REGTYPE, 0o644, "")),
            *(
                ("top/a/tool", tarfile.REGTYPE, 0o755, ""),
                ("top/a/same", tarfile.LNKTYPE, 0o755, "top/a/tool"),
            ),
            *(("top/link", tarfile.SYMTYPE, 0o777, "a/../../x"), ("top/hollow", tarfile.DIRTYPE, 0o700, "")),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.linkname = kind, mode, target
            content = uuid.uuid4().bytes if kind == tarfile.REGTYPE else b""
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()
