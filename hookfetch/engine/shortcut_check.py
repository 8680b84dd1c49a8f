"""Does the shortcut still come to what BuildStream comes to? Compared on a small project, at each start.

Git's configuration of this machine and user, the plugins and their libraries all have a say in what is
staged, so nothing less than staging tells. What it makes it removes, but for a few kilobytes in
BuildStream's caches.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookfetch.cas.clone_template import new_clone_template, without_times
from hookfetch.cas.directories import Directory, file_of
from hookfetch.cas.dotgit import without_stat
from hookfetch.engine import mirrors
from hookfetch.engine import private_api as bst
from hookfetch.engine.private_loading import load_project
from hookfetch.engine.private_tar import mirror_file
from hookfetch.engine.shortcut_fixture import TARBALL, write_project
from hookfetch.engine.staging import Staging, plugin_file
from hookfetch.engine.version import other_than_the_shortcuts

# What is compared together. Without the first, which is most of a project, there is no shortcut at all.
_COMMITS = "commits.bst"
_ELEMENTS = {_COMMITS: ("git", "git_repo"), "clones.bst": ("git_tag",), "tarballs.bst": ("tar",)}
# Where BuildStream differs from itself: in the times of indices, and of git's logs.
_TIMED = (
    *("git_repo/.git/index", "git_tag/.git/index", "git_tag/.git/logs/HEAD"),
    *("git_tag/.git/logs/refs/heads/main", "git_tag/.git/logs/refs/remotes/origin/HEAD"),
)


@dataclass(frozen=True, slots=True)
class Checked:
    """The shortcut's staging for the kinds that it makes as BuildStream does (None: for none), and what
    differs in the others (None: nothing)."""

    staging: Staging | None
    difference: str | None


def checked_staging(context: Any, folder: Path) -> Checked:
    """Compare both ways. Whatever project is loaded in `context` is loaded no more; `folder` is removed."""
    try:
        reason = other_than_the_shortcuts() or _attributes()
        if reason is not None:
            return Checked(None, reason)
        with _emptied(folder):
            return _compare_all(context, folder)
    except Exception as error:  # noqa: BLE001 - plugins raise anything, and without the shortcut all goes on
        return Checked(None, _reason(error))


def _reason(error: Exception) -> str:
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


def _compare_all(context: Any, folder: Path) -> Checked:
    elements = load_project(context, write_project(folder, _ELEMENTS), {}, list(_ELEMENTS))
    plugins: dict[str, str] = {}
    differences = []
    clone = None
    for name, kinds in _ELEMENTS.items():
        own = {source.get_kind(): plugin_file(source) for source in bst.sources_of(elements[name])}
        try:
            clone = new_clone_template() if "git_tag" in kinds else clone
            difference = _compare(elements[name], Staging(own, clone), folder)
        except Exception as error:  # noqa: BLE001 - as above
            difference = _reason(error)
        if difference is None:
            plugins |= own
        elif name == _COMMITS:
            return Checked(None, difference)
        else:
            differences.append(f"{', '.join(kinds)}: {difference}")
    return Checked(Staging(plugins, clone), "; ".join(differences) or None)


def _compare(element: Any, staging: Staging, folder: Path) -> str | None:
    """Return what differs between BuildStream's staging of an element and ours; None if nothing does."""
    refs = [bst.ref_keys(source) for source in bst.sources_of(element)]
    sources = bst.fresh_sources(element, refs, refs)
    with ExitStack() as stack:
        for source in sources.sources():
            if source.get_kind() == "tar":
                place = mirror_file(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / TARBALL, place)  # as if it had been downloaded
                stack.callback(shutil.rmtree, place.parent, ignore_errors=True)
            else:
                mirrors.refresh_for_fetching([source])
                stack.callback(shutil.rmtree, mirrors.mirror_of(source), ignore_errors=True)
        bst.fetch(sources)
        return _difference(bst.stored_files(sources), staging.stage(sources.sources(), stack).root)


def _difference(files: Any, made: Directory) -> str | None:
    for path in _TIMED:
        kind, *place = path.split("/")
        if kind in made.directories and files.exists(path):
            with files.open_file(path, mode="rb") as file:
                staged = _with_times_of(file.read(), made.directories[kind], place)
            made = Directory(made.files, made.links, {**made.directories, kind: staged})
    if bst.stored_digest(files) == made.digest:
        return None
    return f"staged otherwise: {_first_difference(files, made)}"


def _with_times_of(data: bytes, made: Directory, path: list[str]) -> Directory:
    """Return `made` with BuildStream's `data` at `path`, if that differs in times alone."""
    name, *below = path
    if below:
        inner = made.directories.get(name)
        if inner is None:
            return made
        changed = {name: _with_times_of(data, inner, below)}
        return Directory(made.files, made.links, {**made.directories, **changed})
    plain = without_stat(data) if name == "index" else without_times(data)
    ours = made.files.get(name)
    if ours is None or plain != ours.content:
        return made
    return Directory({**made.files, name: file_of(data)}, made.links, made.directories)


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
