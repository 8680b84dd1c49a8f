"""Bring the git mirrors of source plugins up to date where the plugins themselves do it badly, and keep in
them what is followed under its own name.

Touches only mirrors that plugins keep; the plugin still does all the rest, and does without where this
cannot help.
"""

import hashlib
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from buildstream_plugins_community.sources._git_utils import (  # type: ignore[import-untyped]
    get_matching_refs,
    resolve_mirror_dir,
)
from pygit2 import GitError

from hookfetch.cas.git_objects import GitObjects
from hookfetch.core.errors import ElementError
from hookfetch.engine.fetching.packs import point
from hookfetch.engine.fetching.quick_fetch import fetch_quickly
from hookfetch.engine.fetching.whole_fetch import fetch_all_quickly
from hookfetch.engine.lookups import answer_tracking

HAVE_MIRRORS = frozenset({"git", "git_module", "git_repo", "git_tag"})

# Nothing runs on behind a finished job, nothing that a ref may still name is pruned, and
# nothing is written that dulwich would have to understand beside objects and refs. What git fetches comes
# as a whole pack, or not at all: unpacked by it, it could be a commit without its files, if the disk is full.
# Packs are not flushed, as loose objects are not: both can be fetched again.
_GC = (
    *("gc.auto=0", "gc.pruneExpire=never", "gc.writeCommitGraph=false"),
    *("fetch.unpackLimit=1", "core.fsync=none"),
)
_ALL = {"refs/heads/*": "refs/heads/*", "refs/tags/*": "refs/tags/*"}
_GLOB = frozenset("*?[")  # fnmatch(3)
# As `git`, `git_module` and `git_tag` write a ref; of an exact tag they fetch one commit.
_REF = re.compile(r"(?:(?P<tag>.+)-(?P<since>[0-9]+)-g)?(?P<commit>[0-9a-f]{40})")


def mirror_of(source: Any) -> Path:
    """Return where the plugin of one of `HAVE_MIRRORS` keeps its bare mirror."""
    if source.get_kind() == "git_repo":
        # Not the plugin's own object for a mirror: there is none before the first ref.
        return Path(resolve_mirror_dir(source, source.url))
    return Path(source.mirror.mirror)


def refresh_for_tracking(sources: Iterable[Any], refs_at: Callable[[str], Mapping[str, str]]) -> None:
    """Fetch what tracking reads from mirrors, where the plugins' own fetch is bad at it. `refs_at` tells what
    is known of an upstream's refs.

    `git_tag` names no refspec: its tracking would return what the branch was when the mirror was made;
    ElementError when the upstream refuses. `git` describes from wherever an exact tag's history ends, and
    takes four processes for what is a question or two.
    `git_repo`, to describe a branch, would download its whole history for every new commit.
    """
    for source in sources:
        kind = source.get_kind()
        if kind in ("git", "git_tag") and source.tracking and mirror_of(source).is_dir():
            _fetch_followed(source, kind, refs_at)
        elif kind == "git_repo" and source.ref_format.value == "git-describe":
            _fetch_branch(source, refs_at(mirror_and_url(source)[1]))


def _fetch_followed(source: Any, kind: str, refs_at: Callable[[str], Mapping[str, str]]) -> None:
    mirror, url = mirror_and_url(source)
    if not fetch_all_quickly(mirror, url, refs_at(url)):
        if kind == "git" and not _is_shallow(mirror):
            return  # what it does itself is right
        done = _fetch_all(source)
        if done.returncode and kind == "git_tag":
            raise ElementError(f"{source}: {_one_line(done.stderr) or 'git fetch failed'}")
        if kind == "git":
            return
    answer_tracking(source, mirror, url)


def _fetch_branch(source: Any, refs: Mapping[str, str]) -> None:
    names = _names_of(source)
    if names and names[0].startswith("refs/heads/"):  # or a tag, which the plugin describes unseen
        mirror, url = mirror_and_url(source)
        _make(mirror)
        _fetch(mirror, url, {names[0]: names[0]}, _whole(mirror), refs)


def bring(source: Any, ref: str, refs: Mapping[str, str]) -> None:
    """Have a full ref of a source's upstream in its mirror, if that is quick. `refs` tells where it is."""
    mirror, url = mirror_and_url(source)
    if (mirror / "HEAD").is_file():
        fetch_quickly(mirror, url, {ref: ref}, refs)


def bring_all(source: Any, refs: Mapping[str, str]) -> None:
    """Have all branches and tags of a source's upstream in its mirror, as `bring`."""
    mirror, url = mirror_and_url(source)
    if (mirror / "HEAD").is_file():
        fetch_all_quickly(mirror, url, refs)


def refresh_for_fetching(sources: Iterable[Any]) -> None:
    """Fetch the commits and tags of git sources into their mirrors, and keep a ref to each.

    `git_repo` offers no commit that it has, and would download the whole history for every new
    one, or for a tag all files. A server that does not let a commit be asked for is left to the plugin.
    """
    for source in sources:
        kind = source.get_kind()
        if kind not in HAVE_MIRRORS:
            continue
        try:
            if kind == "git_repo":
                _keep(source)
            else:
                _keep_cloneable(source)
        except GitError:
            continue  # damaged: the plugin says how


def _keep_cloneable(source: Any) -> None:
    """Have the mirror of a source whose plugin stages by `git clone` hold what is cloned: an exact tag, or
    whole histories."""
    found = _REF.fullmatch(source.mirror.ref or "")
    mirror, url = mirror_and_url(source)
    if found is None or not (mirror / "HEAD").is_file():
        return
    commit = bytes.fromhex(found["commit"])
    with GitObjects(mirror) as objects:
        shallow, begun = objects.shallow, not objects.empty
        if objects.has(commit) and not shallow:
            return
        tag = f"refs/tags/{found['tag']}" if found["since"] == "0" else None
        if tag is not None and objects.commit_of(tag) == commit:
            return
    if tag is not None and not getattr(source, "full_clone", False) and (shallow or not begun):
        _fetch(mirror, url, {tag: tag}, ["--depth=1"])
        with GitObjects(mirror) as objects:
            if objects.commit_of(tag) == commit:
                return
    _fetch_all(source)


def _keep(source: Any) -> None:
    (plugin,) = source.get_source_fetchers()
    wanted = {_kept(source): plugin.sha}
    depth = None
    if plugin.tagref is not None:
        tag = plugin.tagref.decode()
        wanted = {tag: tag} if plugin.depth == 1 else {tag: tag, **wanted}
        depth = plugin.depth  # commits to the tag, both counted
    mirror, url = mirror_and_url(source)
    _make(mirror)
    options = []
    with GitObjects(mirror) as objects:
        if objects.has(bytes.fromhex(plugin.sha)):
            known = {ref: objects.commit_of(ref) for ref in wanted.values() if ref != plugin.sha}
            # A tag that is said to be at the commit may have been moved there since.
            right = (bytes.fromhex(plugin.sha),) if depth == 1 else known.values()
            wanted = {ref: ref for ref, at in known.items() if at is None or at not in right}
        elif depth is not None and (objects.shallow or objects.empty):
            options = [f"--depth={depth}"]
    if wanted:
        _fetch(mirror, url, wanted, options)


def name_followed(sources: Iterable[Any], *, tracked: bool) -> None:
    """Have the branch or tag that a `git_repo` source follows in its mirror under its own name, at the
    source's commit if `tracked` has just found that. The other kinds fetch all names."""
    for source in sources:
        if source.get_kind() == "git_repo" and source.tracking and source.ref:
            with suppress(GitError):  # damaged: the plugin has said how, if it needed the mirror at all
                _name_followed(source, tracked=tracked)


def _name_followed(source: Any, *, tracked: bool) -> None:
    (plugin,) = source.get_source_fetchers()
    mirror, url = mirror_and_url(source)
    if plugin.depth == 1 or not (mirror / "HEAD").is_file():
        return  # an exact tag has come by its name
    commit = bytes.fromhex(plugin.sha)
    with GitObjects(mirror) as objects:
        if not objects.has(commit):
            return  # it was in the cache already
        known = [name for name in _names_of(source) if objects.ref(name) is not None]
        if known and (not tracked or objects.commit_of(known[0]) == commit):
            return  # an older commit than the branch has now is no news of the branch
    if known and known[0].startswith("refs/heads/"):
        point(mirror, known[0], plugin.sha)
    else:
        _learn_names(source, mirror, url, plugin.sha)


def _learn_names(source: Any, mirror: Path, url: str, commit: str) -> None:
    """Name `commit` as the upstream does, within what the source follows."""
    names = [pattern for name in _names_of(source) for pattern in (name, f"{name}^{{}}")]
    lines = _git(mirror, "ls-remote", "--", url, *names).stdout.splitlines()
    advertised = {ref: at for at, _, ref in (line.partition("\t") for line in lines)}
    refs = [ref.encode() for ref in advertised if ref.startswith(("refs/heads/", "refs/tags/"))]
    for ref in map(bytes.decode, get_matching_refs(refs, source.tracking, source.exclude)):
        if advertised[ref] == commit:
            point(mirror, ref, commit)
        elif advertised.get(f"{ref}^{{}}") == commit:  # the tag's own object is not here
            _fetch(mirror, url, {ref: ref}, ())


def _names_of(source: Any) -> list[str]:
    """Return the full refs that a `git_repo` source may follow; none for a pattern."""
    track = source.tracking or ""
    if not track or not _GLOB.isdisjoint(track):
        return []
    return [track] if track.startswith("refs/") else [f"refs/heads/{track}", f"refs/tags/{track}"]


def _fetch_all(source: Any) -> subprocess.CompletedProcess[str]:
    mirror, url = mirror_and_url(source)
    return _git(mirror, *_fetch_arguments(url, _ALL, ["--prune", *_whole(mirror)]))


def _whole(mirror: Path) -> list[str]:
    # From an end of history that an exact tag left behind no older tag would be found.
    return ["--unshallow"] if _is_shallow(mirror) else []


def _is_shallow(mirror: Path) -> bool:
    return (mirror / "shallow").exists()


def mirror_and_url(source: Any) -> tuple[Path, str]:
    """Return where the plugin of one of `HAVE_MIRRORS` keeps its bare mirror, and of what."""
    url = source.url if source.get_kind() == "git_repo" else source.mirror.url
    return mirror_of(source), source.translate_url(url)


def _kept(source: Any) -> str:
    """Return the ref under which a mirror keeps what a source has, where that has no name of its own."""
    return f"refs/hookfetch/{hashlib.sha256((source.tracking or '').encode()).hexdigest()[:16]}"


def _make(mirror: Path) -> None:
    if not (mirror / "HEAD").is_file():
        mirror.mkdir(parents=True, exist_ok=True)
        _git(mirror, "init", "--bare", "--quiet")


def _fetch(
    mirror: Path,
    url: str,
    wanted: Mapping[str, str],
    options: Sequence[str],
    refs: Mapping[str, str] = MappingProxyType({}),
) -> None:
    # Its failure is left to the plugin, which tries all addresses and says why.
    if options or not fetch_quickly(mirror, url, wanted, refs):
        _git(mirror, *_fetch_arguments(url, wanted, options))


def _fetch_arguments(url: str, wanted: Mapping[str, str], options: Iterable[str]) -> list[str]:
    refspecs = [f"+{what}:{ref}" for ref, what in wanted.items()]
    return ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *options, "--", url, *refspecs]


def _command(mirror: Path, *arguments: str) -> list[str]:
    options = [part for setting in _GC for part in ("-c", setting)]
    return ["git", "-C", str(mirror), *options, *arguments]


def _git(mirror: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # No deadline of its own: the job's ends this process and all its children.
    return subprocess.run(
        _command(mirror, *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
