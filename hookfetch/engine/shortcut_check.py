"""Does the shortcut still come to what BuildStream comes to? Compared on a small repository, at each start.

Git's configuration of this machine and user, the plugins and their libraries all have a say in what is
staged, so nothing less than staging tells. What it makes it removes, but for a few kilobytes in
BuildStream's caches.
"""

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pygit2
from pygit2.enums import ObjectType

from hookfetch.cas.directories import Directory, file_of
from hookfetch.cas.dotgit import without_stat
from hookfetch.engine import mirrors
from hookfetch.engine import private_api as bst
from hookfetch.engine.private_loading import load_project
from hookfetch.engine.staging import Staging, plugin_file
from hookfetch.engine.version import other_than_the_shortcuts

_PLUGINS = [
    {"origin": "pip", "package-name": "buildstream-plugins", "sources": ["git"]},
    {"origin": "pip", "package-name": "buildstream-plugins-community", "sources": ["git_repo"]},
]
_ELEMENT = "check.bst"
_SOMEONE = pygit2.Signature("hookfetch", "hookfetch@localhost", 1_700_000_000, 0)


def checked_staging(context: Any, folder: Path) -> "Staging | str":
    """Return the shortcut's staging if it makes what BuildStream makes, else what differs. Whatever project
    is loaded in `context` is loaded no more; `folder` is removed."""
    try:
        reason = other_than_the_shortcuts() or _attributes()
        if reason is not None:
            return reason
        with _emptied(folder):
            return _compare(context, folder)
    except Exception as error:  # noqa: BLE001 - plugins raise anything, and without the shortcut all goes on
        return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _attributes() -> str | None:
    """Return why files may be converted by rules from outside of a repository: gitattributes(5)."""
    asked = ["git", "config", "--type=path", "--get", "core.attributesFile"]
    done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    places = [Path.home() / ".config/git/attributes", Path("/etc/gitattributes")]
    if named := done.stdout.strip():
        places.append(Path(named))
    found = [str(place) for place in places if place.exists()]
    return f"{found[0]} has git attributes for every repository" if found else None


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder)


def _compare(context: Any, folder: Path) -> "Staging | str":
    ref = _write_repository(folder / "upstream.git")
    _write_project(folder / "project", folder / "upstream.git", ref)
    (element,) = load_project(context, folder / "project", {}, [_ELEMENT]).values()
    loaded = bst.sources_of(element)
    refs = [bst.ref_keys(source) for source in loaded]
    sources = bst.fresh_sources(element, refs, refs)
    staging = Staging({source.get_kind(): plugin_file(source) for source in loaded})
    with ExitStack() as stack:
        for source in sources.sources():
            mirrors.refresh_for_fetching([source])
            stack.callback(shutil.rmtree, mirrors.mirror_of(source), ignore_errors=True)
        bst.fetch(sources)
        made = staging.stage(sources.sources(), stack)
        return _difference(sources, made.root) or staging


def _difference(sources: Any, made: Directory) -> str | None:
    files = bst.stored_files(sources)
    if bst.stored_digest(files.open_directory("git")) == made.directories["git"].digest:
        with files.open_file("git_repo/.git/index", mode="rb") as file:
            made = _with_times_of(file.read(), made)
    if bst.stored_digest(files) == made.digest:
        return None
    return f"staged otherwise: {_first_difference(files, made)}"


def _with_times_of(index: bytes, made: Directory) -> Directory:
    """Return `made` with BuildStream's `index` of the git_repo source, if that differs in times alone."""
    repository = made.directories["git_repo"]
    dotgit = repository.directories[".git"]
    if without_stat(index) != dotgit.files["index"].content:
        return made
    dotgit = Directory({**dotgit.files, "index": file_of(index)}, {}, dotgit.directories)
    repository = Directory(repository.files, repository.links, {**repository.directories, ".git": dotgit})
    return Directory(made.files, made.links, {**made.directories, "git_repo": repository})


def _first_difference(files: Any, made: Directory) -> str:
    theirs = set(files.list_relative_paths())
    ours = dict(_paths(made, ""))
    for path in sorted(theirs | set(ours)):
        hashed = ours.get(path)
        if path not in theirs or path not in ours or (hashed and files.file_digest(path) != hashed):
            return path
    return "a mode, a link or the way directories are put together"


def _paths(directory: Directory, place: str) -> Iterator[tuple[str, str | None]]:
    """Yield every path as BuildStream lists them, with a file's hash."""
    yield from ((place + name, file.digest.hash) for name, file in directory.files.items())
    yield from ((place + name, None) for name in directory.links)
    for name, inner in directory.directories.items():
        yield place + name, None
        yield from _paths(inner, f"{place}{name}/")


def _write_repository(path: Path) -> str:
    """Write two commits, the first one tagged; return the second one's description."""
    repository = pygit2.init_repository(str(path), bare=True, initial_head="main")
    first = _commit(repository, b"#!/bin/sh\n", [])
    repository.create_tag("v1", first, ObjectType.COMMIT, _SOMEONE, "one\n")
    # Other content each time: of the same BuildStream would find what it has staged before.
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


def _write_project(folder: Path, upstream: Path, ref: str) -> None:
    folder.mkdir()
    settings = {"name": "shortcut-check", "min-version": "2.4", "plugins": _PLUGINS}
    (folder / "project.conf").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    sources = [
        {"kind": kind, "url": str(upstream), "track": "main", "ref": ref, "directory": kind}
        for kind in ("git", "git_repo")
    ]
    element = {"kind": "import", "sources": sources}
    (folder / _ELEMENT).write_text(json.dumps(element), encoding="utf-8")
