"""Bring the git mirrors of source plugins up to date where the plugins themselves do it badly.

Touches only directories that a plugin keeps for itself; the plugin still does all the rest,
and does without where this cannot help.
"""

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hookfetch.core.errors import ElementError

# Nothing runs on behind a finished job, nothing that a ref may still name is pruned, and
# nothing is written that dulwich would have to understand beside packs and refs.
_GC = ("gc.autoDetach=false", "gc.pruneExpire=never", "gc.writeCommitGraph=false")


def refresh_for_tracking(sources: Iterable[Any]) -> None:
    """Fetch the branches of `git_tag` mirrors: the plugin's own fetch names no refspec, so its
    tracking would return what the branch was when the mirror was made. ElementError when the
    upstream refuses."""
    for source in sources:
        if source.get_kind() != "git_tag":
            continue
        mirror = Path(source.mirror.mirror)
        if not mirror.is_dir():
            continue
        done = _git(mirror, "fetch", "--prune", "--quiet", "origin")
        if done.returncode:
            raise ElementError(f"{source}: {_one_line(done.stderr) or 'git fetch failed'}")


def refresh_for_fetching(sources: Iterable[Any]) -> None:
    """Fetch the commits of `git_repo` sources into their mirrors, and keep a ref to each.

    The plugin keeps none, so it would offer no commit that it has and download the whole
    history for every new one. A server that does not let a commit be asked for is left to the
    plugin, as are tags (it fetches those without history).
    """
    for source in sources:
        if source.get_kind() != "git_repo":
            continue
        (plugin,) = source.get_source_fetchers()
        if plugin.tagref is None:
            _keep(
                Path(plugin.mirror_dir), source.translate_url(plugin.url), plugin.sha, source.tracking or ""
            )


def _keep(mirror: Path, url: str, commit: str, follows: str) -> None:
    kept = f"refs/hookfetch/{hashlib.sha256(follows.encode()).hexdigest()[:16]}"
    mirror.mkdir(parents=True, exist_ok=True)
    if not (mirror / kept).is_file():
        _git(mirror, "init", "--bare", "--quiet")  # harmless where there is one
    if _git(mirror, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        _git(mirror, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", url, f"+{commit}:{kept}")


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
