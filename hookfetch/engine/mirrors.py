"""Bring the git mirrors of source plugins up to date where the plugins themselves do it badly.

Touches only directories that a plugin keeps for itself; the plugin still does all the rest,
and does without where this cannot help.
"""

import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from buildstream_plugins_community.sources._git_utils import (  # type: ignore[import-untyped]
    resolve_mirror_dir,
)
from pygit2 import GitError

from hookfetch.cas.git_objects import GitObjects
from hookfetch.core.errors import ElementError

# Nothing runs on behind a finished job, nothing that a ref may still name is pruned, and
# nothing is written that dulwich would have to understand beside packs and refs.
_GC = ("gc.autoDetach=false", "gc.pruneExpire=never", "gc.writeCommitGraph=false")
_GLOB = frozenset("*?[")  # fnmatch(3)


def mirror_of(source: Any) -> Path:
    """Return where the plugin of a `git`, `git_repo` or `git_tag` source keeps its bare mirror."""
    if source.get_kind() == "git_repo":
        # Not the plugin's own object for a mirror: there is none before the first ref.
        return Path(resolve_mirror_dir(source, source.url))
    return Path(source.mirror.mirror)


def refresh_for_tracking(sources: Iterable[Any]) -> None:
    """Fetch the branches that tracking reads from mirrors, where the plugins' own fetch is bad at it.

    `git_tag` names no refspec: its tracking would return what the branch was when the mirror was made;
    ElementError when the upstream refuses. `git_repo`, to describe a branch, would download its whole
    history for every new commit.
    """
    for source in sources:
        if source.get_kind() == "git_tag" and mirror_of(source).is_dir():
            done = _git(mirror_of(source), "fetch", "--prune", "--quiet", "origin")
            if done.returncode:
                raise ElementError(f"{source}: {_one_line(done.stderr) or 'git fetch failed'}")
        if source.get_kind() == "git_repo" and source.ref_format.value == "git-describe":
            _fetch_branch(source)


def _fetch_branch(source: Any) -> None:
    track = source.tracking or ""
    branch = track if track.startswith("refs/") else f"refs/heads/{track}"
    if not track or not branch.startswith("refs/heads/") or not _GLOB.isdisjoint(track):
        return  # a tag, most likely, which the plugin describes unseen
    mirror, url = _mirror_and_url(source)
    _make(mirror)
    # From an end of history that an earlier tag left behind no tag would be found.
    options = ["--unshallow"] if (mirror / "shallow").exists() else []
    _fetch(mirror, url, {_kept(source): branch}, options)


def refresh_for_fetching(sources: Iterable[Any]) -> None:
    """Fetch the commits and tags of `git_repo` sources into their mirrors, and keep a ref to each.

    The plugin offers no commit that it has, and would download the whole history for every new
    one, or for a tag all files. A server that does not let a commit be asked for is left to the plugin.
    """
    for source in sources:
        if source.get_kind() != "git_repo":
            continue
        (plugin,) = source.get_source_fetchers()
        wanted = {_kept(source): plugin.sha}
        depth = None
        if plugin.tagref is not None:
            tag = plugin.tagref.decode()
            wanted = {tag: tag} if plugin.depth == 1 else {tag: tag, **wanted}
            depth = plugin.depth  # commits to the tag, both counted
        _keep(*_mirror_and_url(source), plugin.sha, wanted, depth)


def _keep(mirror: Path, url: str, commit: str, wanted: Mapping[str, str], depth: int | None) -> None:
    """Have `commit`, and refs to what is `wanted`; with `depth` of them no more commits than that, unless
    the mirror has whole histories."""
    _make(mirror)
    options = []
    try:
        with GitObjects(mirror) as objects:
            if objects.has(bytes.fromhex(commit)):
                known = {ref: objects.commit_of(ref) for ref in wanted.values() if ref != commit}
                # A tag that is said to be at the commit may have been moved there since.
                right = (bytes.fromhex(commit),) if depth == 1 else known.values()
                wanted = {ref: ref for ref, at in known.items() if at is None or at not in right}
            elif depth is not None and (objects.shallow or objects.empty):
                options = [f"--depth={depth}"]
    except GitError:
        return  # damaged: the plugin says how
    if wanted:
        _fetch(mirror, url, wanted, options)


def _mirror_and_url(source: Any) -> tuple[Path, str]:
    return mirror_of(source), source.translate_url(source.url)


def _kept(source: Any) -> str:
    """Return the ref under which a mirror keeps what a source follows."""
    return f"refs/hookfetch/{hashlib.sha256((source.tracking or '').encode()).hexdigest()[:16]}"


def _make(mirror: Path) -> None:
    if not (mirror / "HEAD").is_file():
        mirror.mkdir(parents=True, exist_ok=True)
        _git(mirror, "init", "--bare", "--quiet")


def _fetch(mirror: Path, url: str, wanted: Mapping[str, str], options: Iterable[str]) -> None:
    # Its failure is left to the plugin, which tries all addresses and says why.
    refspecs = [f"+{what}:{ref}" for ref, what in wanted.items()]
    _git(mirror, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *options, "--", url, *refspecs)


def _git(mirror: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # No deadline of its own: the job's ends this process and all its children.
    options = [part for setting in _GC for part in ("-c", setting)]
    return subprocess.run(
        ["git", "-C", str(mirror), *options, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
